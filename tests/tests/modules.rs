//! Holds the edges between the top modules of each crate in `services/`: no circle, and in `node` the places of assembly and of
//! adapters.
//!
//! Reads sources as text; starts nothing. A module uses another by `crate::x`, by `super::x`, or by a name that the crate's root
//! exports from it. Modules of tests do not count.

#![allow(clippy::unwrap_used, reason = "a test that cannot read the repository fails")]

mod tree;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use tree::{children, files, root};

/// The modules that each module uses.
type Edges = BTreeMap<String, BTreeSet<String>>;

/// Modules of `node` and the modules that may use them: `run` assembles, adapters stand at its edge, duties act.
const USED_ONLY_BY: [(&str, &[&str]); 5] =
    [("run", &[]), ("control", &["run"]), ("admin", &["run"]), ("duties", &["run"]), ("link", &["run", "supervisor"])];

/// Modules that only tests compile.
const OF_TESTS: [&str; 2] = ["tests", "fakes"];

// === reading sources ===

/// The text without its modules of tests and without comments.
fn code(text: &str) -> String {
    let text = ["#[cfg(test)]\nmod tests {", "#[cfg(test)]\npub(crate) mod tests {"]
        .into_iter()
        .fold(text, |text, begin| text.split(begin).next().unwrap_or(text));
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

fn word(text: &str) -> &str {
    let end = text.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(text.len());
    &text[..end]
}

/// The first names of a path or of a group of paths.
fn first_names(path: &str) -> Vec<&str> {
    let Some(group) = path.strip_prefix('{') else { return vec![word(path)] };
    let (mut depth, mut names, mut fresh) = (0, Vec::new(), true);
    for (at, letter) in group.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => fresh = true,
            _ if fresh && depth == 0 && !letter.is_whitespace() => {
                names.push(word(&group[at..]));
                fresh = false;
            }
            _ => {}
        }
    }
    names
}

/// The names behind each occurrence of a prefix that does not go on an outer path.
fn names_behind<'a>(code: &'a str, prefix: &str) -> Vec<&'a str> {
    let begins = |at: &usize| {
        let before = code[..*at].chars().next_back();
        !before.is_some_and(|letter| letter.is_alphanumeric() || letter == '_' || letter == ':')
    };
    let found = code.match_indices(prefix).map(|(at, _)| at).filter(begins);
    found.flat_map(|at| first_names(&code[at + prefix.len()..])).filter(|name| *name != "super").collect()
}

/// The modules that the root declares.
fn modules(root: &str) -> BTreeSet<String> {
    let declared = |line: &str| {
        let rest = line.strip_prefix("pub ").or(line.strip_prefix("pub(crate) ")).unwrap_or(line);
        rest.strip_prefix("mod ")?.strip_suffix(';').map(str::to_owned)
    };
    root.lines().filter_map(declared).filter(|module| !OF_TESTS.contains(&module.as_str())).collect()
}

/// The module behind each name that the root exports.
fn exports(root: &str, modules: &BTreeSet<String>) -> BTreeMap<String, String> {
    let mut exports = BTreeMap::new();
    for statement in root.split(';').filter_map(|statement| statement.split("use ").nth(1)) {
        let module = word(statement);
        if modules.contains(module) {
            let names = statement[module.len()..].split(|letter: char| !letter.is_alphanumeric() && letter != '_');
            exports.extend(names.filter(|name| !name.is_empty()).map(|name| (name.to_owned(), module.to_owned())));
        }
    }
    exports
}

/// The path of a source below its crate's `src`, as modules; none: the root, or a file of tests.
fn place(path: &Path, sources: &Path) -> Option<Vec<String>> {
    let inner = path.strip_prefix(sources).ok()?.with_extension("");
    let mut place: Vec<String> = inner.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    place.pop_if(|last| last == "mod");
    let tests = place.iter().any(|part| OF_TESTS.contains(&part.as_str()));
    let is_root = place.len() == 1 && ["lib", "main"].contains(&place[0].as_str());
    (!tests && !is_root).then_some(place)
}

/// The edges of a crate, from its sources: each with its place.
fn edges<'a>(root: &str, sources: impl Iterator<Item = (Vec<String>, &'a str)>) -> Edges {
    let root = code(root);
    let modules = modules(&root);
    let exports = exports(&root, &modules);
    let mut edges: Edges = modules.iter().map(|module| (module.clone(), BTreeSet::new())).collect();
    for (place, text) in sources {
        let Some(used) = edges.get_mut(&place[0]) else { continue };
        let (code, up) = (code(text), "super::".repeat(place.len()));
        for name in names_behind(&code, "crate::").into_iter().chain(names_behind(&code, &up)) {
            let module = modules.get(name).or_else(|| exports.get(name));
            used.extend(module.filter(|module| **module != place[0]).cloned());
        }
    }
    edges
}

fn edges_of(krate: &Path) -> Edges {
    let sources = krate.join("src");
    let root = ["lib.rs", "main.rs"].iter().find_map(|name| fs::read_to_string(sources.join(name)).ok()).unwrap();
    let rust = files(&sources).into_iter().filter(|path| path.extension().is_some_and(|ending| ending == "rs"));
    let texts: Vec<_> =
        rust.filter_map(|path| Some((place(&path, &sources)?, fs::read_to_string(&path).unwrap()))).collect();
    edges(&root, texts.iter().map(|(place, text)| (place.clone(), text.as_str())))
}

fn crates() -> Vec<(String, Edges)> {
    let directories = children(&root().join("services")).into_iter().filter(|path| path.is_dir());
    directories.map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), edges_of(&path))).collect()
}

/// All modules that a module uses, directly or not.
fn reached(edges: &Edges, from: &str) -> BTreeSet<String> {
    let (mut reached, mut next) = (BTreeSet::new(), vec![from.to_owned()]);
    while let Some(module) = next.pop() {
        let used = edges.get(&module).into_iter().flatten();
        next.extend(used.filter(|used| reached.insert((*used).clone())).cloned());
    }
    reached
}

/// The circles: sets of modules each of which reaches the others.
fn circles(edges: &Edges) -> BTreeSet<Vec<String>> {
    let reached: BTreeMap<&String, BTreeSet<String>> =
        edges.keys().map(|module| (module, reached(edges, module))).collect();
    let circle = |module: &String| -> Vec<String> {
        edges
            .keys()
            .filter(|other| reached[module].contains(*other) && reached[*other].contains(module))
            .cloned()
            .collect()
    };
    edges.keys().filter(|module| reached[*module].contains(*module)).map(circle).collect()
}

// === the claims ===

#[test]
fn no_modules_of_a_crate_use_each_other_in_a_circle() {
    let circles: Vec<(String, Vec<String>)> = crates()
        .into_iter()
        .flat_map(|(name, edges)| circles(&edges).into_iter().map(move |circle| (name.clone(), circle)))
        .collect();
    assert!(circles.is_empty(), "move the shared part to the lower module: {circles:?}");
}

#[test]
fn every_crate_of_services_is_scanned_and_no_root_hides_the_module_of_a_name() {
    let mut wrong = Vec::new();
    for directory in children(&root().join("services")).into_iter().filter(|path| path.is_dir()) {
        let sources = directory.join("src");
        let roots = ["lib.rs", "main.rs"].map(|name| fs::read_to_string(sources.join(name)).unwrap_or_default());
        let [library, program] = roots.map(|text| code(&text));
        if modules(&library).is_empty() && modules(&program).is_empty() {
            wrong.push(format!("{}: no modules found", directory.display()));
        }
        if !library.is_empty() && !modules(&program).is_empty() {
            wrong.push(format!("{}: modules of the program beside those of the library", directory.display()));
        }
        let hides = |line: &&str| line.starts_with("pub") && line.contains("use ") && line.contains('*');
        wrong.extend(
            library
                .lines()
                .chain(program.lines())
                .filter(hides)
                .map(|line| format!("{}: a name that is exported by `{line}` leads to no module", directory.display())),
        );
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
    assert!(crates().len() > 12, "the scan has lost its way");
}

#[test]
fn run_assembles_the_node_and_adapters_stand_at_its_edge() {
    let edges = edges_of(&root().join("services/node"));
    let mut wrong = Vec::new();
    for (module, users) in USED_ONLY_BY {
        let strays = edges.iter().filter(|(user, used)| used.contains(module) && !users.contains(&user.as_str()));
        wrong.extend(strays.map(|(user, _)| format!("{user} must not use {module}")));
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
    assert!(edges["run"].len() > 10, "the scan has lost its way: {edges:?}");
}

#[test]
fn a_circle_is_found_in_every_form_of_a_use() {
    let root = "//! Doc.\nmod a;\nmod b;\npub mod c;\n#[cfg(test)]\nmod tests;\npub use a::{Alpha, inner::Beta};\n";
    let of = |sources: &[(&[&str], &str)]| {
        let sources =
            sources.iter().map(|(place, text)| (place.iter().map(|part| (*part).to_owned()).collect(), *text));
        circles(&edges(root, sources))
    };
    let circle =
        |modules: &[&str]| BTreeSet::from([modules.iter().map(|module| (*module).to_owned()).collect::<Vec<_>>()]);
    assert_eq!(of(&[(&["a"], "use crate::b::X;"), (&["b"], "use super::a::Y;")]), circle(&["a", "b"]));
    assert_eq!(
        of(&[(&["a"], "use crate::{\n  c::{X, Y},\n  b,\n};"), (&["b"], "use crate::Beta;")]),
        circle(&["a", "b"])
    );
    assert_eq!(
        of(&[(&["a", "inner"], "fn f() { super::super::c::g() }"), (&["c"], "use crate::Alpha;")]),
        circle(&["a", "c"])
    );
    let three = of(&[(&["a"], "crate::b::x()"), (&["b"], "crate::c::x()"), (&["c"], "crate::a::x()")]);
    assert_eq!(three, circle(&["a", "b", "c"]));
    for harmless in
        ["// crate::b::X", "use super::inner::X;", "#[cfg(test)]\nmod tests {\n use crate::b::X;\n}", "other::crate::b"]
    {
        assert_eq!(of(&[(&["a", "x"], harmless), (&["b"], "use crate::a::Y;")]), BTreeSet::new(), "{harmless}");
    }
}
