//! Words for a shell: commands that are shown are commands that can be pasted.

/// A word as a shell takes it for one.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+=,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    if word.contains(char::is_control) {
        // The form of bash, zsh and POSIX 2024 for what cannot be seen.
        let escaped: String = word
            .chars()
            .map(|c| match c {
                '\'' | '\\' => format!("\\{c}"),
                '\n' => "\\n".to_owned(),
                c if c.is_ascii_control() => format!("\\{:03o}", u32::from(c)),
                c => c.to_string(),
            })
            .collect();
        return format!("$'{escaped}'");
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_stays_one_word() {
        let words = ["photos/a.jpg", "", "a b", "it's", "$HOME", "a\nb'c"].map(quoted);
        assert_eq!(words, ["photos/a.jpg", "''", "'a b'", "'it'\\''s'", "'$HOME'", "$'a\\nb\\'c'"]);
    }
}
