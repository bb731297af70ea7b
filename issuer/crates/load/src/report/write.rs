//! Puts the page and its pictures where the documentation is.

use std::fs;
use std::path::Path;

use super::plan::{Report, ReportError};
use super::{charts, page};

impl Report {
    /// Writes `performance.md` and `performance/*.svg` into `docs`, which is made if need be.
    pub(crate) fn write(&self, docs: &Path) -> Result<(), ReportError> {
        let pictures = docs.join("performance");
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| ReportError::Write(path, source)
        };
        fs::create_dir_all(&pictures).map_err(failed(&pictures))?;
        for (name, svg) in charts::draw(self) {
            let path = pictures.join(name);
            fs::write(&path, svg).map_err(failed(&path))?;
        }
        let path = docs.join("performance.md");
        fs::write(&path, page::render(self)).map_err(failed(&path))
    }
}
