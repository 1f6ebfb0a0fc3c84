//! Cores on disks and a network in memory, one thread: clusters whose nodes crash, lose their disk, are forced, paused or
//! replaced. One program, since each is linked with everything below it.

mod asking;
mod contradicting;
mod distrusted;
mod forced;
mod forgetting;
mod hung_disk;
mod missing_state;
mod pausing;
mod replacing;
mod three_cores;
mod world;
