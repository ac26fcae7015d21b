//! The sum of many runs, kept in a file between them: numbers, the next seed, coverage by instruction and pass.
//!
//! The file has a number and a name on every line, so that it can be read, compared and sorted. This file must
//! never know what is compared.

use std::collections::BTreeMap;
use std::path::Path;

use super::{Counts, OPCODES, passes};

/// What all runs so far came to.
#[derive(Default)]
pub(crate) struct Totals {
    /// The seed after the last.
    pub(crate) next_seed: u64,
    pub(crate) counts: Counts,
    /// How many functions each pass changed.
    passes: BTreeMap<String, u64>,
}

impl Totals {
    /// The totals in `path`; none if there is no such file.
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        let mut totals = Self::default();
        totals.counts.opcodes = vec![0; OPCODES.len()];
        if !path.exists() {
            return Ok(totals);
        }
        let text = std::fs::read_to_string(path)
            .map_err(|error| format!("{}: cannot be read: {error}", path.display()))?;
        for line in text.lines() {
            totals.line(line).ok_or_else(|| {
                format!(
                    "{}: `{line}` is not a number and a name that is counted",
                    path.display()
                )
            })?;
        }
        Ok(totals)
    }

    fn line(&mut self, line: &str) -> Option<()> {
        let (number, name) = line.split_once(' ')?;
        let number: u64 = number.parse().ok()?;
        if let Some(pass) = name.strip_prefix("pass ") {
            self.passes.insert(pass.to_owned(), number);
        } else if let Some(opcode) = name.strip_prefix("instruction ") {
            let at = OPCODES.iter().position(|known| *known == opcode)?;
            self.counts.opcodes[at] = number;
        } else if let Some(shape) = name.strip_prefix("shape ") {
            self.counts.shapes.insert(shape.to_owned(), number);
        } else if name == "next-seed" {
            self.next_seed = number;
        } else {
            let fields = self.counts.fields();
            *fields.into_iter().find(|field| field.0 == name)?.1 = number;
        }
        Some(())
    }

    /// Adds what this process did.
    pub(crate) fn add(&mut self, counts: &Counts, next_seed: u64) {
        self.counts.add(counts);
        self.next_seed = next_seed;
        for (name, changed) in passes() {
            *self.passes.entry(name.to_owned()).or_default() += changed;
        }
    }

    /// Writes the totals to `path`.
    pub(crate) fn write(&mut self, path: &Path) -> Result<(), String> {
        let mut lines = vec![format!("{} next-seed", self.next_seed)];
        for (name, number) in self.counts.fields() {
            lines.push(format!("{number} {name}"));
        }
        for (name, number) in &self.passes {
            lines.push(format!("{number} pass {name}"));
        }
        for (name, number) in &self.counts.shapes {
            lines.push(format!("{number} shape {name}"));
        }
        for (name, number) in OPCODES.iter().zip(&self.counts.opcodes) {
            if *number > 0 {
                lines.push(format!("{number} instruction {name}"));
            }
        }
        lines.push(String::new());
        std::fs::write(path, lines.join("\n"))
            .map_err(|error| format!("{}: cannot be written: {error}", path.display()))
    }

    /// Coverage in a few lines: by pass, by shape, and of instructions the number and the rarest.
    pub(crate) fn coverage(&self) -> String {
        let passes: Vec<String> = self
            .passes
            .iter()
            .map(|(name, n)| format!("{name} {n}"))
            .collect();
        let mut seen: Vec<(u64, &str)> = self
            .counts
            .opcodes
            .iter()
            .copied()
            .zip(OPCODES.iter().copied())
            .collect();
        seen.retain(|(number, _)| *number > 0);
        seen.sort_unstable();
        let rarest: Vec<String> = seen
            .iter()
            .take(12)
            .map(|(n, name)| format!("{name} {n}"))
            .collect();
        let shapes = self.counts.shapes.iter();
        let shapes: Vec<String> = shapes.map(|(name, n)| format!("{name}: {n}")).collect();
        format!(
            "functions changed by pass: {}\nmodules by shape: {}\n{} different instructions in modules that ran; rarest: {}",
            passes.join(", "),
            shapes.join(", "),
            seen.len(),
            rarest.join(", ")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_added_to() {
        let path = std::env::temp_dir().join(format!("craneway-totals-{}", std::process::id()));
        let mut counts = Counts {
            results: 7,
            ..Counts::default()
        };
        counts.opcodes = vec![0; OPCODES.len()];
        counts.opcodes[3] = 5;
        counts.shapes.insert("one round".into(), 2);
        for round in 1..=2 {
            let mut totals = Totals::read(&path).unwrap();
            totals.add(&counts, 10 * round);
            totals.write(&path).unwrap();
        }
        let totals = Totals::read(&path).unwrap();
        std::fs::write(&path, "7 nonsense\n").unwrap();
        let refused = Totals::read(&path).err();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(
            (
                totals.counts.results,
                totals.counts.opcodes[3],
                totals.counts.shapes["one round"],
                totals.next_seed
            ),
            (14, 10, 4, 20)
        );
        assert!(refused.is_some_and(|message| message.contains("`7 nonsense`")));
    }
}
