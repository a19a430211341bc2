//! The data of a run, held natively: columns, split, shuffle, batches.
