//! Each kernel can be left out: the table, the two lists of features and the kernels' names agree.

use runtime_kernels::table::Kernel;
use std::path::Path;

/// What stands between `[features]` and the next section.
fn features(manifest: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(manifest);
    let text = std::fs::read_to_string(&path).expect("the manifest can be read");
    let (_, features) = text.split_once("[features]").expect("it has features");
    features.split("\n[").next().unwrap_or_default().to_owned()
}

#[test]
fn every_kernel_has_a_feature_of_its_name() {
    let (kernels, core) = (features("Cargo.toml"), features("../core/Cargo.toml"));
    let all = kernels.split_once("all = [").expect("the feature `all`").1;
    let all = all.split_once(']').expect("its end").0;
    for (number, &kernel) in Kernel::ALL.iter().enumerate() {
        let feature = kernel.feature();
        assert_eq!(kernel as usize, number);
        assert_eq!(feature, kernel.name().replace('_', "-"));
        assert!(
            kernels.contains(&format!("\n{feature} = []\n")),
            "{feature} in kernels"
        );
        let forwarded = format!("\n{feature} = [\"runtime-kernels/{feature}\"]\n");
        assert!(core.contains(&forwarded), "{feature} in core");
        assert!(
            all.contains(&format!("\"{feature}\"")),
            "{feature} in `all`"
        );
    }
    assert_eq!(
        all.matches('"').count(),
        2 * Kernel::ALL.len(),
        "`all` has more than there is"
    );
}
