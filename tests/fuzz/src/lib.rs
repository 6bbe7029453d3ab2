//! What the targets of the importers share.

/// Reads a file and makes a graph of it; whatever cannot be says why.
pub fn import(bytes: Vec<u8>) {
    let said = match sim_import::read_bytes("fuzz", bytes, None) {
        Err(error) => error.to_string(),
        Ok(model) => match sim_import::lower(model) {
            Err(refusal) => refusal.to_string(),
            Ok(lowered) => {
                assert!(!lowered.graph.nodes().is_empty());
                return;
            }
        },
    };
    assert!(!said.is_empty());
}
