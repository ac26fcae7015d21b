//! What missing imports say about how a module was built, and how to build it instead.
//! Must never know how linking works; it looks at names only.

/// An import's module and name, and the advice when it is missing. An empty name stands for any.
const BUILDS: &[(&str, &str, &str)] = &[
    (
        "env",
        "__linear_memory",
        "this is an object file: link it first, e.g. with wasm-ld",
    ),
    (
        "env",
        "__indirect_function_table",
        "this is an object file or a shared library: link it first, e.g. with wasm-ld",
    ),
    (
        "env",
        "emscripten_",
        "Emscripten built this for a web page: build it with -sSTANDALONE_WASM",
    ),
    (
        "env",
        "invoke_",
        "Emscripten built this for a web page: build it with -sSTANDALONE_WASM and native wasm exceptions",
    ),
    (
        "a",
        "",
        "Emscripten built this for a web page: build it with -sSTANDALONE_WASM",
    ),
    (
        "gojs",
        "",
        "Go built this for a web page: build it with GOOS=wasip1",
    ),
    (
        "go",
        "",
        "Go built this for a web page: build it with GOOS=wasip1",
    ),
    (
        "wbg",
        "",
        "wasm-bindgen made this for JavaScript: build for wasm32-wasip1 without it",
    ),
    (
        "__wbindgen_placeholder__",
        "",
        "this is meant for wasm-bindgen and JavaScript: build for wasm32-wasip1 without it",
    ),
    (
        "wasi",
        "thread-spawn",
        "threads of a guest are not supported yet: build without them",
    ),
    ("wasi_ephemeral_nn", "", "WASI-NN is not supported"),
    (
        "wasi_snapshot_preview1",
        "",
        "WASI is switched off by -S cli=n",
    ),
    ("wasi_unstable", "", "WASI is switched off by -S cli=n"),
];

/// The advice for the first import that tells how the module was built, if any does.
pub(crate) fn for_imports<'a>(
    imports: impl Iterator<Item = (&'a str, &'a str)>,
    wasi_linked: bool,
) -> Option<String> {
    let mut any = false;
    for (module, name) in imports {
        any = true;
        let hit = BUILDS
            .iter()
            .filter(|_| !(wasi_linked && module.starts_with("wasi_") && !module.contains("nn")))
            .find(|(m, n, _)| {
                *m == module
                    && (n.is_empty() || *n == name || (n.ends_with('_') && name.starts_with(n)))
            });
        if let Some((_, _, advice)) = hit {
            return Some((*advice).to_owned());
        }
        if module.starts_with("wasi:") {
            return Some("it was built for WASI preview 2: build it for wasm32-wasip1".to_owned());
        }
    }
    any.then(|| "another module can provide imports: --preload NAME=FILE".to_owned())
}

#[cfg(test)]
mod tests {
    use super::for_imports;

    #[test]
    fn recognises_builds_for_other_hosts() {
        let hint = |module, name| {
            for_imports(
                [("wasi_snapshot_preview1", "fd_write"), (module, name)].into_iter(),
                true,
            )
            .unwrap()
        };
        assert!(hint("env", "__linear_memory").contains("object file"));
        assert!(hint("env", "emscripten_resize_heap").contains("STANDALONE_WASM"));
        assert!(hint("gojs", "runtime.scheduleTimeoutEvent").contains("wasip1"));
        assert!(hint("wasi:cli/exit@0.2.0", "exit").contains("preview 2"));
        assert!(hint("env", "foo").contains("--preload"));
        let off = for_imports([("wasi_snapshot_preview1", "fd_write")].into_iter(), false).unwrap();
        assert!(off.contains("-S cli=n"));
        assert_eq!(for_imports(std::iter::empty(), true), None);
    }
}
