//! `context …`: the file of contexts, shown and changed. Asks no node, and never shows the content of a key or of a token's file.

use std::path::PathBuf;

use serde::Serialize;

use crate::{
    cli::{Cli, ContextSetArgs, ContextShowArgs, ContextUseArgs, ContextVerb},
    contexts::{Context, ContextFile},
    failure::Failure,
    print::{self, Out, visible},
};

#[derive(Debug, Serialize)]
struct ListView {
    file: String,
    /// The context in use; none: no context is.
    in_use: Option<String>,
    contexts: Vec<ContextView>,
}

/// A context: addresses and names of files.
#[derive(Debug, Serialize)]
struct ContextView {
    name: String,
    in_use: bool,
    endpoints: Vec<String>,
    ca: Option<String>,
    cert: Option<String>,
    key: Option<String>,
    proxies: Vec<String>,
    token_file: Option<String>,
}

/// The outcome of a change.
#[derive(Debug, Serialize)]
struct ChangeView {
    file: String,
    /// None: `context use --none`.
    name: Option<String>,
    /// `current`, `set` or `removed`.
    done: &'static str,
    /// Files that are not there, or that other users can read.
    doubts: Vec<String>,
}

/// Reads the file, and changes it where the verb does.
pub(crate) fn run(cli: &Cli, verb: &ContextVerb) -> Result<(), Failure> {
    let out = |behind| Out::new(cli.format, behind);
    let file = ContextFile::open()?;
    let in_use = file.in_use(cli.context.context.as_deref());
    match verb {
        ContextVerb::List(args) => list(out(args.format), &file, in_use),
        ContextVerb::Show(args) => show(out(args.format), &file, in_use, args),
        ContextVerb::Use(args) => make_current(out(args.format), &file, args),
        ContextVerb::Set(args) => set(out(args.format), &file, args),
        ContextVerb::Remove(args) => {
            file.remove(&args.name)?;
            out(args.format).show(&changed(&file, Some(&args.name), "removed"), line)
        }
    }
}

fn list(out: Out, file: &ContextFile, in_use: Option<String>) -> Result<(), Failure> {
    let contexts = file.contexts.iter().map(|(name, context)| view(name, context, in_use.as_deref())).collect();
    out.show(&ListView { file: file.path.display().to_string(), in_use, contexts }, table)
}

fn show(out: Out, file: &ContextFile, in_use: Option<String>, args: &ContextShowArgs) -> Result<(), Failure> {
    let none =
        || Failure::Usage("no context is in use: name one, or make one current by `ocsctl context use`".to_owned());
    let name = args.name.clone().or_else(|| in_use.clone()).ok_or_else(none)?;
    let context = file.named(&name)?;
    out.show(&view(&name, context, in_use.as_deref()), pairs)
}

fn make_current(out: Out, file: &ContextFile, args: &ContextUseArgs) -> Result<(), Failure> {
    file.make_current(args.name.as_deref())?;
    out.show(&changed(file, args.name.as_deref(), "current"), line)
}

fn set(out: Out, file: &ContextFile, args: &ContextSetArgs) -> Result<(), Failure> {
    let doubts = file.set(&args.name, &args.values)?;
    for doubt in &doubts {
        eprintln!("ocsctl: {doubt}");
    }
    out.show(&ChangeView { doubts, ..changed(file, Some(&args.name), "set") }, line)
}

fn view(name: &str, context: &Context, in_use: Option<&str>) -> ContextView {
    let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
    ContextView {
        name: name.to_owned(),
        in_use: in_use == Some(name),
        endpoints: context.endpoints.clone(),
        ca: path(&context.ca),
        cert: path(&context.cert),
        key: path(&context.key),
        proxies: context.proxies.clone(),
        token_file: path(&context.token_file),
    }
}

fn changed(file: &ContextFile, name: Option<&str>, done: &'static str) -> ChangeView {
    let (file, name) = (file.path.display().to_string(), name.map(str::to_owned));
    ChangeView { file, name, done, doubts: Vec::new() }
}

fn table(view: &ListView) -> String {
    if view.contexts.is_empty() {
        return format!("{}: no contexts", visible(&view.file));
    }
    let row = |context: &ContextView| {
        let mark = if context.in_use { "*" } else { "" };
        [mark.to_owned(), context.name.clone(), context.endpoints.join(",")]
    };
    print::row_table(&["", "context", "endpoints"], view.contexts.iter().map(row))
}

fn pairs(view: &ContextView) -> String {
    let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let list = |texts: &[String]| if texts.is_empty() { "-".to_owned() } else { texts.join(", ") };
    let in_use = if view.in_use { "yes" } else { "no" };
    print::pairs(&[
        ("context", view.name.clone()),
        ("in use", in_use.to_owned()),
        ("endpoints", list(&view.endpoints)),
        ("ca", or_none(&view.ca)),
        ("cert", or_none(&view.cert)),
        ("key", or_none(&view.key)),
        ("proxies", list(&view.proxies)),
        ("token_file", or_none(&view.token_file)),
    ])
}

fn line(view: &ChangeView) -> String {
    let file = visible(&view.file);
    match &view.name {
        None => format!("{file}: no context is current"),
        Some(name) => {
            let is = if view.done == "current" { "is the current context" } else { view.done };
            format!("{file}: {} {is}", visible(name))
        }
    }
}
