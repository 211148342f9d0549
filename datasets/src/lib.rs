//! Every layout of events and data sets, read once, for the stream and offline alike.

pub mod values;
