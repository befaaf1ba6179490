//! No circle between the modules of a crate: a module that another needs does not need that one, directly or by way of
//! others. cargo refuses circles between crates; within one, nobody does. A module is a file. What a file only declares
//! (`mod`) or passes on (`pub use`) is no need of its own, and tests may look wherever they like.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, Item, ItemMod, ItemUse, Macro, UseTree, Visibility};

/// A module's path in its crate; empty for the crate's own file.
type Module = Vec<String>;

/// Fails with every circle there is.
pub(crate) fn run(root: &Path) -> anyhow::Result<()> {
    let mut circles = Vec::new();
    for folder in crate_folders(root)? {
        for circle in Crate::read(&folder.join("src"))?.circles() {
            let names: Vec<String> = circle.iter().map(|module| name(module)).collect();
            let folder = folder.strip_prefix(root).unwrap_or(&folder);
            let folder = if folder.as_os_str().is_empty() {
                Path::new(".")
            } else {
                folder
            };
            circles.push(format!("{}: {}", folder.display(), names.join(" <-> ")));
        }
    }
    if !circles.is_empty() {
        bail!(
            "modules depend on each other in a circle:\n  {}",
            circles.join("\n  ")
        );
    }
    Ok(())
}

fn crate_folders(root: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut folders = vec![root.to_owned(), root.join("xtask")];
    for entry in fs::read_dir(root.join("crates"))? {
        folders.push(entry?.path());
    }
    folders.sort();
    Ok(folders)
}

fn name(module: &[String]) -> String {
    match module {
        [] => "lib".to_owned(),
        module => module.join("::"),
    }
}

/// The modules of a crate with what they name.
struct Crate {
    modules: BTreeMap<Module, Uses>,
}

/// The paths in a file, as they are written.
#[derive(Default)]
struct Uses {
    /// What it needs.
    needs: Vec<Vec<String>>,
    /// What it passes on, by the name under which it does.
    passes_on: BTreeMap<String, Vec<String>>,
}

impl Crate {
    fn read(src: &Path) -> anyhow::Result<Self> {
        let mut modules = BTreeMap::new();
        let mut folders = vec![src.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder)? {
                let path = entry?.path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "rs") {
                    let text = fs::read_to_string(&path)?;
                    let file = syn::parse_file(&text)
                        .with_context(|| format!("cannot parse {}", path.display()))?;
                    // A stand-in for what a build lacks is one module with the door whose place it takes.
                    let uses: &mut Uses = modules.entry(module_of(src, &path)).or_default();
                    uses.visit_file(&file);
                }
            }
        }
        Ok(Self { modules })
    }

    /// Which modules each module needs.
    fn needs(&self) -> BTreeMap<&Module, BTreeSet<Module>> {
        let of = |(module, uses): (&'_ Module, &Uses)| {
            let needs = uses
                .needs
                .iter()
                .filter_map(|path| self.resolved(module, path));
            needs.filter(|needed| needed != module).collect()
        };
        self.modules
            .iter()
            .map(|(module, uses)| (module, of((module, uses))))
            .collect()
    }

    /// The module in which what a path names is declared; `None` outside of this crate.
    fn resolved(&self, from: &Module, path: &[String]) -> Option<Module> {
        let (mut module, mut rest) = match path.first().map(String::as_str)? {
            "crate" => (Module::new(), &path[1..]),
            "self" => (from.clone(), &path[1..]),
            "super" => {
                let levels = path.iter().take_while(|part| *part == "super").count();
                let kept = from.len().checked_sub(levels)?;
                (from[..kept].to_vec(), &path[levels..])
            }
            first => {
                let child = joined(from, first);
                let passed_on = || self.modules.get(from)?.passes_on.get(first);
                match self.modules.contains_key(&child) || passed_on().is_some() {
                    true => (from.clone(), path),
                    false => return None,
                }
            }
        };
        // A module that passes a name on is not needed for it; what it passes on is.
        for _ in 0..16 {
            let Some((first, after)) = rest.split_first() else {
                break;
            };
            let child = joined(&module, first);
            if self.modules.contains_key(&child) {
                (module, rest) = (child, after);
                continue;
            }
            let Some(passed_on) = self.modules.get(&module)?.passes_on.get(first) else {
                break;
            };
            // What comes from outside of the crate is nobody's here.
            return self.resolved(&module, passed_on);
        }
        // A path that ends at a module above names it as a place, and needs nothing of it.
        let is_place = rest.is_empty() && from.starts_with(&module) && from != &module;
        (!is_place && self.modules.contains_key(&module)).then_some(module)
    }

    /// The strongly connected groups of more than one module.
    fn circles(&self) -> Vec<Vec<Module>> {
        let needs = self.needs();
        let mut search = Search {
            needs: &needs,
            numbers: BTreeMap::new(),
            stack: Vec::new(),
            circles: Vec::new(),
        };
        for module in self.modules.keys() {
            search.visit(module);
        }
        search.circles
    }
}

/// Tarjan's search for strongly connected components (1972).
struct Search<'a> {
    needs: &'a BTreeMap<&'a Module, BTreeSet<Module>>,
    /// By module: when it was met, and the earliest met that it leads back to; `None` once its group is known.
    numbers: BTreeMap<Module, Option<usize>>,
    stack: Vec<Module>,
    circles: Vec<Vec<Module>>,
}

impl Search<'_> {
    /// The earliest met module that this one leads back to, if it is still open.
    fn visit(&mut self, module: &Module) -> Option<usize> {
        if let Some(number) = self.numbers.get(module) {
            return *number;
        }
        let number = self.numbers.len();
        self.numbers.insert(module.clone(), Some(number));
        let depth = self.stack.len();
        self.stack.push(module.clone());
        let needed: Vec<Module> = self
            .needs
            .get(module)
            .into_iter()
            .flatten()
            .cloned()
            .collect();
        let back = needed.iter().filter_map(|needed| self.visit(needed)).min();
        match back {
            Some(back) if back < number => Some(back),
            _ => {
                let group = self.stack.split_off(depth);
                for module in &group {
                    self.numbers.insert(module.clone(), None);
                }
                if group.len() > 1 {
                    self.circles.push(group);
                }
                None
            }
        }
    }
}

fn joined(module: &Module, name: &str) -> Module {
    let mut joined = module.clone();
    joined.push(name.to_owned());
    joined
}

fn module_of(src: &Path, path: &Path) -> Module {
    let relative = path.strip_prefix(src).unwrap_or(path).with_extension("");
    let mut module: Module = (relative.iter())
        .map(|part| part.to_string_lossy().into_owned())
        .collect();
    if module
        .last()
        .is_some_and(|last| ["lib", "mod", "present", "absent"].contains(&&**last))
    {
        module.pop();
    }
    module
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && matches!(&attribute.meta, syn::Meta::List(list) if list.tokens.to_string() == "test")
    })
}

impl Uses {
    fn take(&mut self, tree: &UseTree, before: &mut Vec<String>, is_public: bool) {
        match tree {
            UseTree::Path(path) => {
                before.push(path.ident.to_string());
                self.take(&path.tree, before, is_public);
                before.pop();
            }
            UseTree::Name(name) if name.ident == "self" => {
                let here = before.last().cloned().unwrap_or_default();
                self.add(before.clone(), here, is_public);
            }
            UseTree::Name(name) => {
                let mut path = before.clone();
                path.push(name.ident.to_string());
                self.add(path, name.ident.to_string(), is_public);
            }
            UseTree::Rename(rename) => {
                let mut path = before.clone();
                path.push(rename.ident.to_string());
                self.add(path, rename.rename.to_string(), is_public);
            }
            UseTree::Glob(_) => self.needs.push(before.clone()),
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.take(tree, before, is_public);
                }
            }
        }
    }

    fn add(&mut self, path: Vec<String>, name: String, is_public: bool) {
        match is_public {
            true => drop(self.passes_on.insert(name, path)),
            false => self.needs.push(path),
        }
    }

    /// A macro's arguments are no syntax tree; paths in them are told by their colons.
    fn take_tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    if colons != 2 {
                        self.end(&mut path);
                    }
                    path.push(ident.to_string());
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                TokenTree::Group(group) => {
                    self.end(&mut path);
                    self.take_tokens(group.stream());
                    colons = 0;
                }
                _ => {
                    self.end(&mut path);
                    colons = 0;
                }
            }
        }
        self.end(&mut path);
    }

    fn end(&mut self, path: &mut Vec<String>) {
        let path = std::mem::take(path);
        if path.len() > 1 {
            self.needs.push(path);
        }
    }
}

impl<'ast> Visit<'ast> for Uses {
    fn visit_item(&mut self, item: &'ast Item) {
        let attributes = match item {
            Item::Mod(item) => &item.attrs,
            Item::Use(item) => &item.attrs,
            Item::Fn(item) => &item.attrs,
            Item::Impl(item) => &item.attrs,
            _ => &Vec::new(),
        };
        if !is_test(attributes) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        visit::visit_item_mod(self, item);
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        let is_public = !matches!(item.vis, Visibility::Inherited);
        self.take(&item.tree, &mut Vec::new(), is_public);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let parts = path.segments.iter().map(|part| part.ident.to_string());
        let parts: Vec<String> = parts.collect();
        if parts.len() > 1 {
            self.needs.push(parts);
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, called: &'ast Macro) {
        self.take_tokens(called.tokens.clone());
        visit::visit_macro(self, called);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crate_of(files: &[(&str, &str)]) -> Crate {
        let read = |(name, text): &(&str, &str)| {
            let mut uses = Uses::default();
            uses.visit_file(&syn::parse_file(text).unwrap());
            let module = name.split("::").filter(|part| !part.is_empty());
            (module.map(str::to_owned).collect(), uses)
        };
        Crate {
            modules: files.iter().map(read).collect(),
        }
    }

    #[test]
    fn two_files_that_need_each_other_are_a_circle() {
        let files = [
            ("", "mod a; mod b;"),
            ("a", "use crate::b::B; struct A(B);"),
            ("b", "fn f() { println!(\"{}\", super::a::count()) }"),
        ];
        let circles = crate_of(&files).circles();
        assert_eq!(circles, [[vec!["a".to_owned()], vec!["b".to_owned()]]]);
    }

    #[test]
    fn a_parent_and_its_child_are_two_files_like_others() {
        let files = [
            ("", "mod a;"),
            ("a", "mod c; struct A; fn f() { c::g() }"),
            ("a::c", "use super::A;"),
        ];
        assert_eq!(crate_of(&files).circles().len(), 1);
    }

    #[test]
    fn a_door_that_passes_names_on_needs_nothing() {
        // given a door over two files, one of which takes the other's name through it
        let files = [
            ("", "mod a;"),
            ("a", "mod b; mod c; pub use b::B; pub use c::C;"),
            ("a::b", "pub struct B;"),
            ("a::c", "use super::B; use std::fmt; pub struct C(B);"),
        ];
        assert!(crate_of(&files).circles().is_empty());
    }

    #[test]
    fn tests_may_look_anywhere() {
        let files = [
            ("", "mod a; mod b;"),
            (
                "a",
                "use crate::b::B; #[cfg(test)] mod tests { use super::*; }",
            ),
            (
                "b",
                "pub struct B; #[cfg(test)] mod tests { use crate::a::A; }",
            ),
        ];
        assert!(crate_of(&files).circles().is_empty());
    }
}
