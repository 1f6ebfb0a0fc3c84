//! The life of a record under rules with campaigns: the tables of spec 9, Life of a record and Small print, a row a test or a line
//! of a test. A record is handed out here by a written row, as the hand-out leaves it.

mod attempts;
mod cancels;
mod reschedules;
mod small_print;
mod two_lists;
