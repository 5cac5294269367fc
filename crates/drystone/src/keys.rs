//! Key pairs: where they come from, and the one that the first start makes.
//!
//! There is no default password. A configured root key wins; without any, a key pair is made from
//! the operating system's randomness, shown once, and kept in the data directory with mode 0600.
//! The root account's name is kept too, so that a root key can be changed and still owns its buckets.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use drystone_core::checksum::Crc64;
use drystone_core::world::Entropy;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// File in the data directory that keeps the root account, and the key that was made for it.
const ROOT_FILE: &str = "root.toml";
/// Fewest characters of an access key id.
const ID_CHARACTERS_MIN: usize = 3;
/// Fewest characters of a secret.
const SECRET_CHARACTERS_MIN: usize = 8;

/// An access key id and its secret.
pub(crate) struct KeyPair {
    /// The id, which is no secret.
    pub(crate) access_key_id: String,
    /// The secret.
    pub(crate) secret: Zeroizing<String>,
    /// The account it speaks for; `None` for the root account.
    pub(crate) account: Option<String>,
}

impl std::fmt::Debug for KeyPair {
    /// Shows everything but the secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyPair").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}

impl KeyPair {
    /// Checks a key pair.
    ///
    /// # Errors
    /// What is wrong with it, without showing the secret.
    pub(crate) fn new(
        access_key_id: String,
        secret: impl Into<Zeroizing<String>>,
        account: Option<String>,
    ) -> Result<Self> {
        let secret = secret.into();
        ensure!(
            access_key_id.len() >= ID_CHARACTERS_MIN
                && access_key_id.bytes().all(|b| b.is_ascii_graphic() && b != b'/' && b != b',' && b != b'='),
            "`{access_key_id}` is not an access key id: use at least {ID_CHARACTERS_MIN} letters, digits or hyphens"
        );
        ensure!(
            secret.len() >= SECRET_CHARACTERS_MIN,
            "the secret of access key {access_key_id} is too short: use at least {SECRET_CHARACTERS_MIN} characters"
        );
        Ok(Self { access_key_id, secret, account })
    }
}

/// The environment variables that the process was started with.
pub(crate) struct Environment(HashMap<String, String>);

impl Environment {
    /// This process's variables; those that are not UTF-8 cannot be ours.
    pub(crate) fn of_process() -> Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self(std::env::vars_os().filter_map(text).collect())
    }

    /// Given variables.
    #[cfg(test)]
    pub(crate) fn of(variables: &[(&str, &str)]) -> Self {
        Self(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The value of `name`, or the content of the file that `name_FILE` names.
    fn value(&self, name: &str) -> Result<Option<Zeroizing<String>>> {
        match (self.get(name), self.get(&format!("{name}_FILE"))) {
            (Some(_), Some(_)) => bail!("{name} and {name}_FILE are both set; unset one of them"),
            (Some(value), None) => Ok(Some(value.to_owned().into())),
            (None, Some(file)) => read_secret_file(Path::new(file)).map(Some),
            (None, None) => Ok(None),
        }
    }

    /// The root key pair, from the first family of variables that names one.
    ///
    /// # Errors
    /// When only half of a pair is set, or it is unusable.
    pub(crate) fn root_key(&self, notices: &mut Vec<String>) -> Result<Option<KeyPair>> {
        const FAMILIES: [(&str, &str, Family); 3] = [
            ("DRYSTONE_ACCESS_KEY_ID", "DRYSTONE_SECRET_ACCESS_KEY", Family::Own),
            ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", Family::Borrowed),
            ("MINIO_ROOT_USER", "MINIO_ROOT_PASSWORD", Family::Borrowed),
        ];
        for (id_name, secret_name, family) in FAMILIES {
            let (id, secret) = match (self.value(id_name)?, self.value(secret_name)?) {
                (Some(id), Some(secret)) => (id, secret),
                (None, None) => continue,
                (Some(_), None) => bail!("{id_name} is set but {secret_name} is not; set both or none"),
                (None, Some(_)) => bail!("{secret_name} is set but {id_name} is not; set both or none"),
            };
            if family == Family::Borrowed {
                notices.push(format!(
                    "the root key comes from {id_name}; set DRYSTONE_ACCESS_KEY_ID and DRYSTONE_SECRET_ACCESS_KEY \
                     to choose it yourself"
                ));
            }
            return KeyPair::new(id.to_string(), secret, None).map(Some);
        }
        Ok(None)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Family {
    Own,
    Borrowed,
}

/// Reads a secret from a file, without the line break at its end.
pub(crate) fn read_secret_file(path: &Path) -> Result<Zeroizing<String>> {
    let text = fs::read_to_string(path).with_context(|| format!("read the secret in {}", path.display()))?;
    let text = Zeroizing::new(text);
    Ok(text.trim_end_matches(['\r', '\n']).to_owned().into())
}

/// The root account and whether its key was made just now.
#[derive(Debug)]
pub(crate) struct Root {
    /// The account that the root key speaks for.
    pub(crate) account: String,
    /// The key pair that was made, now or at an earlier start; `None` when one is configured.
    pub(crate) made: Option<MadeKey>,
}

/// A key pair that this program made.
#[derive(Debug)]
pub(crate) struct MadeKey {
    /// The key pair.
    pub(crate) key: KeyPair,
    /// Whether it is shown now; it is shown once.
    pub(crate) first_start: bool,
    /// Where its secret is kept; `None` in memory.
    pub(crate) kept_in: Option<PathBuf>,
}

/// What the root file keeps.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RootFile {
    account: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    access_key_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_access_key: Option<String>,
}

impl Root {
    /// Finds the root account in `dir`, or makes it; makes a key pair when `configured` is `None`
    /// and no other key pair exists.
    ///
    /// # Errors
    /// When the root file cannot be read or written.
    pub(crate) fn find_or_make(
        dir: Option<&Path>,
        configured: Option<&KeyPair>,
        others: usize,
        entropy: &dyn Entropy,
    ) -> Result<Self> {
        let path = dir.map(|dir| dir.join(ROOT_FILE));
        let kept = path.as_deref().map(read_root_file).transpose()?.flatten();
        let needs_key = configured.is_none() && others == 0;
        if let Some(kept) = kept {
            let made = match (kept.access_key_id, kept.secret_access_key) {
                (Some(id), Some(secret)) if configured.is_none() => {
                    let key = KeyPair::new(id, secret, None)?;
                    Some(MadeKey { key, first_start: false, kept_in: path })
                }
                _ if !needs_key => None,
                _ => {
                    let key = make_key(entropy)?;
                    write_root_file(path.as_deref(), &kept.account, Some(&key))?;
                    Some(MadeKey { key, first_start: true, kept_in: path })
                }
            };
            return Ok(Self { account: kept.account, made });
        }
        let key = needs_key.then(|| make_key(entropy)).transpose()?;
        let account =
            configured.or(key.as_ref()).map_or_else(|| "root".into(), |key| key.access_key_id.clone());
        write_root_file(path.as_deref(), &account, key.as_ref())?;
        Ok(Self { account, made: key.map(|key| MadeKey { key, first_start: true, kept_in: path }) })
    }
}

fn read_root_file(path: &Path) -> Result<Option<RootFile>> {
    let text = match fs::read_to_string(path) {
        Ok(text) => Zeroizing::new(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("read {}", path.display())),
    };
    let damaged = |why: &str| anyhow::anyhow!("{} is damaged: {why}", path.display());
    let (body, check) =
        text.rsplit_once(CHECK).ok_or_else(|| damaged("its last line, the check, is missing"))?;
    if check.strip_suffix('\n') != Some(check_of(body).as_str()) {
        return Err(damaged("its check does not match"));
    }
    let file = toml::from_str(body).map_err(|error| damaged(error.message()))?;
    Ok(Some(file))
}

/// What the last line of the root file begins with.
const CHECK: &str = "# check ";

/// What it goes on with: the CRC64NVME of the bytes before that line. A flipped bit would be another account,
/// to which nothing belongs.
fn check_of(body: &str) -> String {
    let mut crc = Crc64::new();
    crc.update(body.as_bytes());
    format!("{:016x}", crc.finish())
}

/// Writes the root file: mode 0600 from the first byte on, durable, never half.
fn write_root_file(path: Option<&Path>, account: &str, key: Option<&KeyPair>) -> Result<()> {
    let Some(path) = path else { return Ok(()) };
    let file = RootFile {
        account: account.to_owned(),
        access_key_id: key.map(|key| key.access_key_id.clone()),
        secret_access_key: key.map(|key| key.secret.to_string()),
    };
    let mut text = Zeroizing::new(toml::to_string(&file).context("write the root account down")?);
    let check = check_of(&text);
    [CHECK, &check, "\n"].iter().for_each(|piece| text.push_str(piece));
    drystone_store::replace_private(path, text.as_bytes())
        .with_context(|| format!("keep the root account in {}", path.display()))
}

/// A key pair of 100 and 240 random bits.
fn make_key(entropy: &dyn Entropy) -> Result<KeyPair> {
    const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let text = |characters: usize| -> String {
        let mut random = Zeroizing::new(vec![0; characters]);
        entropy.fill(&mut random);
        let letter = |byte: &u8| LETTERS.get(usize::from(byte & 31)).copied().map_or('A', char::from);
        random.iter().map(letter).collect()
    };
    KeyPair::new(text(20), text(48), None)
}
