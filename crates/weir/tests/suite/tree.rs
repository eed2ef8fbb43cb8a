//! The README's map of the repository is the repository.

use crate::outside;

#[test]
fn the_readme_lists_what_is_there() {
    let root = outside::repository();
    let readme = std::fs::read_to_string(root.join("README.md")).expect("README.md");
    let listed: Vec<&str> =
        readme.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    for path in &listed {
        assert!(root.join(path).exists(), "README.md lists {path}, which is not there");
    }
    for folder in ["crates", "examples", "docs"] {
        for entry in std::fs::read_dir(root.join(folder)).expect("a folder of the repository").flatten() {
            let path = format!("{folder}/{}", entry.file_name().display());
            assert!(listed.contains(&path.as_str()), "README.md does not list {path}");
        }
    }
}

/// Every Rust file below a folder, as paths from the repository's root.
fn sources(folder: &std::path::Path, root: &std::path::Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).expect("a folder of the repository").flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, root, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let path = path.strip_prefix(root).expect("it lies below the root");
            found.push(path.display().to_string());
        }
    }
}

#[test]
fn every_known_difference_from_the_kernel_is_in_the_list_of_gaps() {
    let root = outside::repository();
    let gaps = std::fs::read_to_string(root.join("docs/gaps.md")).expect("docs/gaps.md");
    let mut files = Vec::new();
    sources(&root.join("crates"), &root, &mut files);
    for file in files.iter().filter(|file| !file.contains("/tests/")) {
        let text = std::fs::read_to_string(root.join(file)).expect("a source");
        assert_eq!(
            text.contains("DIVERGES"),
            gaps.contains(&format!("| `{file}` |")),
            "{file}: docs/gaps.md and the comments disagree"
        );
    }
}
