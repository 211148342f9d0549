#!/usr/bin/env python3
"""Compares what an Arroyo wrote with the definition of the features.

    sql/check/cluster.py [--brokers 127.0.0.1:9092]

Reads `user-features`, `events` and the topics of the windows with kcat, up to their ends, and prints for each
pipeline how many windows have closed, and how many of those are missing, wrong, or too many. Of several rows of
a window the one with the most records counts. Ends with code 1 where there is a difference. Daily windows are
compared in a sample of 5,000 rows. All of it is held in memory: meant for a trial of some hundred thousand events.
"""

import argparse
import collections
import json
import math
import random
import subprocess
import sys

MINUTE, GAP, HOUR = 60_000, 1_800_000, 3_600_000


def read(brokers, topic):
    command = ["kcat", "-b", brokers, "-C", "-t", topic, "-e", "-q", "-X", "isolation.level=read_committed"]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return [json.loads(line) for line in lines if line]


def features(visits):
    """Of (partition, offset, category, tail), in the order of arrival."""
    visits = sorted(set(visits))
    categories = [visit[2] for visit in visits]
    n, counts = len(visits), collections.Counter(categories)
    entropy = -sum(count / n * math.log(count / n) for count in counts.values()) if len(counts) > 1 else 0.0
    recent = categories[-10:]
    return {
        "records": n,
        "events": n,
        "entropy": entropy,
        "evenness": entropy / math.log(len(counts)) if len(counts) > 1 else 0.0,
        "switch_rate": sum(a != b for a, b in zip(categories, categories[1:])) / (n - 1) if n > 1 else 0.0,
        "tail_ratio": sum(visit[3] for visit in visits) / n,
        "recent_diversity": len(set(recent)) / len(recent),
    }


def newest(rows, key, size):
    """The row of each window that has seen the most."""
    best = {}
    for row in rows:
        kept = best.setdefault(key(row), row)
        if row[size] > kept[size]:
            best[key(row)] = row
    return best


def differs(row, expected):
    return any(abs((math.inf if row[name] is None else row[name]) - value) > 1e-9 for name, value in expected.items())


def compare(name, expected, found, closed):
    due = {key: value for key, value in expected.items() if closed(key)}
    missing = sum(key not in found for key in due)
    wrong = sum(key in found and differs(found[key], value) for key, value in due.items())
    extra = sum(key not in expected for key in found)
    print(f"{name:<24} {len(due):>8} closed, {missing} missing, {wrong} wrong, {extra} too many")
    return missing + wrong + extra


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--brokers", default="127.0.0.1:9092")
    brokers = arguments.parse_args().brokers
    of_user = collections.defaultdict(list)
    for record in read(brokers, "user-features"):
        visit = (record["partition"], record["offset"], record["category"], int(record["tail"]))
        of_user[str(record["user_id"])].append((record["ts"], visit))
    for visits in of_user.values():
        visits.sort()
    watermark = max(visits[-1][0] for visits in of_user.values()) - MINUTE
    window = lambda row: (row["user_id"], row["window_start"], row["window_end"])
    windows = lambda topic: newest(read(brokers, topic), window, "records")
    closed = lambda key: key[2] <= watermark
    differences = 0

    hourly, sessions = collections.defaultdict(list), {}
    for user, visits in of_user.items():
        session = []
        for ts, visit in visits:
            start = ts // HOUR * HOUR
            hourly[user, start, start + HOUR].append(visit)
            if session and ts - session[-1][0] >= GAP:
                sessions[user, session[0][0], session[-1][0] + GAP] = [visit for _, visit in session]
                session = []
            session.append((ts, visit))
        sessions[user, session[0][0], session[-1][0] + GAP] = [visit for _, visit in session]
    for topic, expected in [("user-features-hourly", hourly), ("user-features-sessions", sessions)]:
        expected = {key: features(visits) for key, visits in expected.items()}
        differences += compare(topic, expected, windows(topic), closed)

    daily = windows("user-features-daily")
    sample = random.Random(1).sample(sorted(daily), min(5_000, len(daily)))
    expected = {
        key: features([visit for ts, visit in of_user[key[0]] if key[1] <= ts < key[2]]) for key in sample
    }
    differences += compare("user-features-daily", expected, {key: daily[key] for key in sample}, closed)

    visits_of = collections.defaultdict(list)
    latest = 0
    for event in read(brokers, "events"):
        start = event["ts"] // HOUR * HOUR
        visits_of[str(event["category"]), start, start + HOUR].append((event["user_id"], event["item_id"]))
        latest = max(latest, event["ts"])
    expected = {
        key: {"events": len(visits), "users": len({user for user, _ in visits}), "items": len({item for _, item in visits})}
        for key, visits in visits_of.items()
    }
    rows = read(brokers, "category-popularity")
    found = newest(rows, lambda row: (row["category"], row["window_start"], row["window_end"]), "events")
    differences += compare("category-popularity", expected, found, lambda key: key[2] <= latest - MINUTE)
    sys.exit(differences > 0)


if __name__ == "__main__":
    main()
