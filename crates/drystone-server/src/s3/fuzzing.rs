//! What the fuzzer feeds: one function for each kind of bytes that strangers send.
//!
//! Each takes any bytes at all, reads a case from them and panics when a promise of the wire does
//! not hold: first of all that nothing panics, then what its own page says. `fuzz/` drives them with
//! coverage; the tests below feed them the corpus that earlier runs left behind, so that nothing
//! found once comes back. The module exists for tests and for the feature `fuzzing` only.

mod input;
mod signature;
mod chunked;
mod documents;
mod words;
mod requests;

pub use self::chunked::chunked;
pub use self::documents::documents;
pub use self::requests::requests;
pub use self::signature::signature;
pub use self::words::words;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    /// Feeds every file of a corpus, and every file cut short, because bytes end anywhere.
    fn replay(name: &str, target: fn(&[u8])) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(name);
        let mut cases = 0;
        for entry in fs::read_dir(&folder).expect("the corpus is in the repository") {
            let path = entry.expect("a listed file").path();
            let bytes = fs::read(&path).expect("a readable file");
            target(&bytes);
            target(bytes.get(..bytes.len() / 2).unwrap_or_default());
            cases += 1;
        }
        assert!(cases >= 10, "{} holds {cases} cases only", folder.display());
    }

    #[test]
    fn the_corpus_of_signatures_holds() {
        replay("signature", signature);
    }

    #[test]
    fn the_corpus_of_chunked_bodies_holds() {
        replay("chunked", chunked);
    }

    #[test]
    fn the_corpus_of_documents_holds() {
        replay("documents", documents);
    }

    #[test]
    fn the_corpus_of_words_holds() {
        replay("words", words);
    }

    #[test]
    fn the_corpus_of_requests_holds() {
        replay("requests", requests);
    }
}
