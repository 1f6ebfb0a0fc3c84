//! `backup verify`: whether a file is whole, and its rows are those that were written. Needs no node, and changes nothing.

use std::{
    fs::File,
    io::{self, Read},
};

use store::verify_archive;

use crate::{
    backup::{self, STANDARD, View},
    cli::BackupVerifyArgs,
    failure::Failure,
    print::{self, Out},
};

/// Reads the file to its end.
pub(crate) fn run(out: Out, args: &BackupVerifyArgs) -> Result<(), Failure> {
    backup::refuse_url(&args.file)?;
    let (from, total): (Box<dyn Read>, u64) = if args.file.as_os_str() == STANDARD {
        (Box::new(io::stdin()), 0)
    } else {
        let file = File::open(&args.file).map_err(|error| Failure::file(&args.file, error))?;
        let length = file.metadata().map_or(0, |known| known.len());
        (Box::new(file), length)
    };
    let bar = if total > 0 { print::bar(total) } else { print::bytes_counter() };
    let verified = verify_archive(from, |bytes| bar.set_position(bytes));
    bar.finish_and_clear();
    let verified = verified.map_err(|error| Failure::file(&args.file, error))?;
    let view = View::whole(&args.file, &verified.head, &verified.tail, verified.bytes);
    out.show(&view, |view| format!("{}\nthe backup is whole, and its rows are those of its digest", view.table()))
}
