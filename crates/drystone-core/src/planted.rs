//! Planted mistakes: the test of the tests.
//!
//! A test that cannot fail proves nothing, so the suites that prove the promises are run against a store
//! with one mistake in it, and every mistake must make one of them fail. The mistakes stand at the places
//! where they would be made, each behind one question: `planted(Mistake::…)`. The answer is a constant
//! `false` unless the crate is built with the feature `planted`, so the product holds none of them;
//! `cargo xtask tidy` proves that nothing turns the feature on. With it, the environment variable
//! `DRYSTONE_PLANTED` names the one mistake of the process, by its name in [`Mistake`].

/// Who has to catch a mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// The suites over simulated doors and in memory: sequences, crashes, races, models.
    Simulation,
    /// Only what runs on real file systems: power cuts, failing disks, flipped bits.
    Disk,
    /// Only what sees each system call.
    Calls,
}

macro_rules! mistakes {
    ($($(#[doc = $doc:literal])+ $proof:ident $name:ident,)+) => {
        /// What can be planted.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Mistake {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Mistake {
            /// All of them, with their names and who has to catch them.
            #[cfg(feature = "planted")]
            pub const ALL: &[(&str, Mistake, Proof)] =
                &[$((stringify!($name), Mistake::$name, Proof::$proof),)+];
        }
    };
}

mistakes! {
    /// A part is recorded without asking again whether its upload still exists.
    Simulation PartSkipsTheFence,
    /// An abort removes the parts' rows and forgets their bytes.
    Simulation AbortKeepsParts,
    /// An abort frees the parts' bytes before its transaction.
    Simulation AbortFreesBeforeCommit,
    /// A refused body is neither freed nor abandoned.
    Simulation RefusedBodyForgotten,
    /// A completed upload's listed parts lose their owner.
    Simulation CompleteGivesPartsAway,
    /// A completed upload's unlisted parts keep their bytes.
    Simulation CompleteLeaksUnlistedParts,
    /// A completed upload can still be aborted.
    Simulation CompleteLeavesUploadOpen,
    /// No completion record is written.
    Simulation CompletionRecordLost,
    /// A completed object's entity tag takes in parts that were not listed.
    Simulation ETagOfAllParts,
    /// A write's condition is checked before the body only.
    Simulation ConditionNotCheckedAgain,
    /// A copy does not count as an owner of the bytes.
    Simulation CopyTakesNoReference,
    /// A copied part does not count as an owner of the bytes.
    Simulation PartCopyTakesNoReference,
    /// A copy mixes what it read of the source with what replaced it meanwhile.
    Simulation CopyIgnoresReplacement,
    /// A part that is uploaded again keeps its old bytes.
    Simulation ReplacedPartKept,
    /// An object that is overwritten keeps its old bytes.
    Simulation ReplacedObjectKept,
    /// A deleted object keeps its bytes.
    Simulation DeleteKeepsBytes,
    /// What an upload holds is not counted.
    Simulation HeldNotUpdated,
    /// What a bucket holds is not counted.
    Simulation UsageNotUpdated,
    /// Two things get one number.
    Simulation NumberGivenTwice,
    /// A deleted bucket's uploads stay.
    Simulation BucketDeleteForgetsUploads,
    /// The next start does not go on with a bucket deletion that a crash cut short.
    Simulation CondemnedForgottenAtStart,
    /// A bulk abort takes what it chose without looking at it again.
    Simulation JobJudgesOnce,
    /// Bytes are freed while somebody reads them.
    Simulation PinsNotHonoured,
    /// Bytes are freed while somebody who found them has not pinned them yet.
    Simulation FindersNotAwaited,
    /// Nobody is told that there is something to give back.
    Simulation WorkerNotWoken,
    /// What is read while it should be freed is not remembered for later.
    Simulation PinnedForgotten,
    /// What was freed stays on the reclaim list.
    Simulation ReclaimListNotEmptied,
    /// The reclaim list is emptied before its bytes are freed.
    Simulation ReclaimListEmptiedFirst,
    /// Bytes that a crash left without an owner are not looked for.
    Simulation RecoveryForgetsSuspects,
    /// A commit of which nobody knows whether it happened frees the bytes that it may have named.
    Simulation UnknownCommitFreesBytes,
    /// A commit that failed is answered as if it had not.
    Simulation FailedCommitAcknowledged,
    /// A small body is handed out though it does not match its checksum.
    Simulation SmallBodyNotVerified,
    /// A range begins at the wrong byte of its first segment.
    Simulation RangeCutWrong,
    /// A sync answers those who came while it ran.
    Simulation SyncAnswersLatecomers,
    /// What an interrupted or refused writer took stays taken.
    Simulation GivenUpRangeKept,
    /// Freed ranges are not punched.
    Simulation FreedRangeKept,
    /// A start drops a batch of the metadata journal that no table holds.
    Simulation JournalShortenedTooFar,
    /// A row that is read often is handed out as it was before it was changed.
    Simulation ChangedRowKept,
    /// Frames are handed out though they do not match their checks.
    Disk FrameNotVerified,
    /// Volumes are not synced.
    Disk VolumeNotSynced,
    /// The lane commits small extents without their sync.
    Disk SmallExtentsNotSynced,
    /// The metadata journal is not synced.
    Disk JournalNotSynced,
    /// Commands are settled before their batch is written.
    Disk SettledBeforeWritten,
    /// A replaced file is renamed over the old one without a sync.
    Disk ReplacedFileNotSynced,
    /// A failed sync of a volume is tried again.
    Disk FailedSyncTriedAgain,
    /// The lane goes on after a failed write.
    Disk FailedWriteForgotten,
    /// The clean-stop marker of the last stop stays while the store serves.
    Disk CleanMarkerLeft,
    /// After an unclean stop no volume is suspected.
    Disk SuspectsForgotten,
    /// A sync is believed though the file system takes no more changes.
    Disk DeadFileSystemTrusted,
    /// A new volume's name is not synced.
    Calls VolumeNameNotSynced,
    /// A start puts a shorter metadata journal in the longer one's place without a sync.
    Calls ShorterJournalNotSynced,
}

/// Whether `mistake` is the one of this process.
///
/// # Panics
/// When `DRYSTONE_PLANTED` names no mistake: a run that plants nothing must not look like one that does.
#[cfg(feature = "planted")]
pub fn planted(mistake: Mistake) -> bool {
    static CHOSEN: std::sync::OnceLock<Option<Mistake>> = std::sync::OnceLock::new();
    let chosen = CHOSEN.get_or_init(|| {
        let name = std::env::var("DRYSTONE_PLANTED").ok().filter(|name| !name.is_empty())?;
        let found = Mistake::ALL.iter().find(|(known, ..)| *known == name);
        Some(found.unwrap_or_else(|| panic!("DRYSTONE_PLANTED={name}: no mistake has this name")).1)
    });
    *chosen == Some(mistake)
}

/// Whether `mistake` is the one of this process: never, without the feature `planted`.
#[cfg(not(feature = "planted"))]
pub const fn planted(mistake: Mistake) -> bool {
    let _ = mistake;
    false
}

#[cfg(feature = "planted")]
mod early {
    //! What only a mistake does.

    use crate::data::door::Freed;
    use crate::error::Error;
    use crate::meta::door::Order;
    use crate::meta::records::{PartRecord, Place, Record};
    use crate::meta::tables::{self, Within};
    use crate::names::UploadId;
    use crate::store::Store;
    use crate::uploads::abort::AbortUpload;

    impl Store {
        /// Frees the parts of an upload that may not be aborted in the end.
        pub(crate) async fn free_parts_too_early(&self, request: &AbortUpload) -> Result<(), Error> {
            let Some(id) = UploadId::parse(&request.upload_id) else { return Ok(()) };
            let mut freed = Vec::new();
            {
                let view = self.meta.snapshot();
                for row in view.scan(Within::prefix(tables::parts_of(&id)).range(), Order::Ascending) {
                    let (key, value) = row?;
                    for segment in PartRecord::decode(&key, value)?.segments {
                        if let Place::Extent(extent) = segment.place {
                            freed.push(Freed { id: extent.id, len: extent.len });
                        }
                    }
                }
            }
            Ok(self.data.clone().free(freed).await?)
        }
    }
}
