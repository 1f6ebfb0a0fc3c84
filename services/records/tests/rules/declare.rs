//! Declarations: every row of the table of spec 11, and the effect of declarations on records that are added afterwards.

mod applying;
mod effect;
mod example;
mod refused;
