//! A model on data whose answers are known.

use serde::{Deserialize, Serialize};

use crate::batch::Labels;
use crate::dataset::{BatchOptions, Dataset};
use crate::error::Result;
use crate::models::Model;
use crate::tensor::read;

/// Rows of one forward: big enough for the kernels, small enough to stay out of the way.
const ROWS: usize = 256;

