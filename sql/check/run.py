"""Runs SQL on DataFusion, the engine that Arroyo is built on, over tables that are given whole.

Reads a job from standard input:
  {"libraries": {"diversity": PATH, "id63": PATH, "id_text": PATH},
   "tables": {NAME: {"columns": [[NAME, TYPE, NOT_NULL], ...], "rows": [[...], ...]}}, "query": SQL}
and writes the columns, {NAME: [TYPE, NULLABLE], ...}, then one JSON object a row. The UDFs are called through
their built libraries, as Arroyo's workers call them. `udfs/tests/windows/` is its one caller.
"""

import ctypes
import json
import sys

import datafusion
import pyarrow as pa

TYPES = {"TEXT": pa.string(), "JSON": pa.string(), "BIGINT": pa.int64(), "INT": pa.int32(), "BOOLEAN": pa.bool_(),
         "DOUBLE": pa.float64()}
ARRAY_BYTES, SCHEMA_BYTES = 80, 72  # of the Arrow C data interface
BYTES = ARRAY_BYTES + SCHEMA_BYTES

libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]


class Arrays(ctypes.Structure):
    """arroyo-udf-common's FfiArrays: a vector whose memory is the callee's to free."""

    _fields_ = [
        ("ptr", ctypes.c_void_p),
        ("len", ctypes.c_size_t),
        ("capacity", ctypes.c_size_t),
        ("error", ctypes.c_bool),
    ]


class RunResult(ctypes.Structure):
    """arroyo-udf-common's RunResult: 0 and an array with its schema, or 1 after a panic."""

    _fields_ = [("tag", ctypes.c_int), ("value", ctypes.c_uint64 * (BYTES // 8))]


def loaded(path):
    """The function of a UDF's library: arrays in, one array out."""
    run = ctypes.CDLL(path)["__run"]
    run.restype, run.argtypes = RunResult, [Arrays]

    def call(*arrays):
        memory = libc.malloc(BYTES * len(arrays))
        for at, array in enumerate(arrays):
            array._export_to_c(memory + at * BYTES, memory + at * BYTES + ARRAY_BYTES)
        result = run(Arrays(memory, len(arrays), len(arrays), False))
        if result.tag != 0:
            raise RuntimeError(f"{path}: the function panicked")
        start = ctypes.addressof(result.value)
        return pa.Array._import_from_c(start, start + ARRAY_BYTES)

    return call


def aggregate(call):
    """An accumulator that keeps a window's columns and calls the UDF once, as Arroyo does."""

    class Window(datafusion.Accumulator):
        def __init__(self):
            self.batches = []

        def update(self, *columns):
            self.batches.append(columns)

        def merge(self, states):
            for row in zip(*(state.to_pylist() for state in states)):
                self.batches.append(tuple(pa.array(values, pa.int64()) for values in row))

        def columns(self):
            return [pa.concat_arrays(parts) for parts in zip(*self.batches)]

        def state(self):
            return [pa.scalar(column.to_pylist(), pa.list_(pa.int64())) for column in self.columns()]

        def evaluate(self):
            return call(*self.columns())[0]

    return Window


def of_json(convert, type_):
    """Arroyo's json_get_int and json_get_float."""

    def get(texts, keys):
        values = (json.loads(text).get(key) for text, key in zip(texts.to_pylist(), keys.to_pylist()))
        return pa.array([None if value is None else convert(value) for value in values], type_)

    return get


def context(job):
    context = datafusion.SessionContext(datafusion.SessionConfig().with_target_partitions(1))
    library = {name: loaded(path) for name, path in job["libraries"].items()}
    text, integer, floating = pa.string(), pa.int64(), pa.float64()
    for function in [
        datafusion.udf(library["id_text"], [text], text, "immutable", "id_text"),
        datafusion.udf(library["id63"], [text], integer, "immutable", "id63"),
        datafusion.udf(of_json(int, integer), [text, text], integer, "immutable", "json_get_int"),
        datafusion.udf(of_json(float, floating), [text, text], floating, "immutable", "json_get_float"),
    ]:
        context.register_udf(function)
    columns = [integer] * 4
    states = [pa.list_(integer)] * 4
    window = aggregate(library["diversity"])
    context.register_udaf(datafusion.udaf(window, columns, text, states, "immutable", "diversity"))
    for name, table in job["tables"].items():
        values = list(zip(*table["rows"])) or [()] * len(table["columns"])
        fields = [pa.field(field, TYPES[type_], not not_null) for field, type_, not_null in table["columns"]]
        arrays = [pa.array(column, field.type) for column, field in zip(values, fields)]
        context.register_record_batches(name, [[pa.record_batch(arrays, schema=pa.schema(fields))]])
    return context


def plain(column):
    """Times as epoch milliseconds."""
    return column.cast(pa.timestamp("ms")).cast(pa.int64()) if pa.types.is_timestamp(column.type) else column


def main():
    job = json.load(sys.stdin)
    frame = context(job).sql(job["query"])
    print(json.dumps({field.name: [str(field.type), field.nullable] for field in frame.schema()}))
    for batch in frame.collect():
        columns = [plain(column).to_pylist() for column in batch.columns]
        for row in zip(*columns):
            print(json.dumps(dict(zip(batch.schema.names, row))))


if __name__ == "__main__":
    main()
