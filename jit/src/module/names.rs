//! The name section, read leniently: a broken one costs names, never the module.

use super::Module;
use wasmparser::{Name, NameSectionReader};

/// Takes what is readable of the module's and its functions' names.
pub(super) fn read(module: &mut Module, section: NameSectionReader<'_>) {
    for subsection in section {
        match subsection {
            Ok(Name::Module { name, .. }) => module.name = Some(name.to_string()),
            Ok(Name::Function(names)) => {
                let total = module.functions.len() as u32;
                for naming in names {
                    let Ok(naming) = naming else { break };
                    if naming.index < total {
                        module
                            .function_names
                            .push((naming.index, naming.name.to_string()));
                    }
                }
            }
            Ok(_) => {}
            Err(_) => break,
        }
    }
    // Stable: of several names for one function the first stays.
    module.function_names.sort_by_key(|n| n.0);
    module.function_names.dedup_by_key(|n| n.0);
}
