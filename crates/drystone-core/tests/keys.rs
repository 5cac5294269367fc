//! Row keys as `docs/format.md` lays them out: a key that changes makes every older row unfindable.

#[cfg(test)]
mod tests {
    use drystone_core::abort_jobs::job::JobId;
    use drystone_core::data::door::ExtentId;
    use drystone_core::meta::tables;
    use drystone_core::names::{BucketName, PartNumber, Timestamp, UploadId};

    fn check(key: &[u8], want: &str) {
        let hex: Vec<String> = key.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex.join(" "), want);
    }

    fn id() -> UploadId {
        UploadId::new(Timestamp(0x0102_0304_0506), 0x0708_090a_0b0c, 0x0d0e_0f10_1112_1314)
    }

    const ID: &str = "01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f 10 11 12 13 14";

    #[test]
    fn keys_are_laid_out_as_documented() {
        check(&tables::counters(), "02");
        check(&tables::bucket(&BucketName::parse("abc").unwrap()), "10 61 62 63");
        check(&tables::usage(7), "11 00 00 00 00 00 00 00 07");
        check(&tables::condemned(7), "12 00 00 00 00 00 00 00 07");
        check(&tables::lifecycle(7), "13 00 00 00 00 00 00 00 07");
        check(&tables::abort_job(JobId(7)), "14 00 00 00 00 00 00 00 07");
        check(&tables::abort_selection(JobId(7)), "15 00 00 00 00 00 00 00 07");
        check(&tables::abort_bucket(JobId(7), 258), "16 00 00 00 00 00 00 00 07 00 00 00 00 00 00 01 02");
        check(&tables::current(7, "a\0\u{fc}"), "20 00 00 00 00 00 00 00 07 61 00 c3 bc");
        check(&tables::manifest(258), "21 00 00 00 00 00 00 01 02");
        check(&tables::small_body(u64::MAX), "22 ff ff ff ff ff ff ff ff");
        check(
            &tables::upload(7, "a\0b", &id()),
            &format!("30 00 00 00 00 00 00 00 07 61 00 ff 62 00 00 {ID}"),
        );
        check(&tables::upload_by_age(&id()), &format!("31 {ID}"));
        check(&tables::part(&id(), PartNumber::MAX), &format!("32 {ID} 27 10"));
        check(&tables::held(&id()), &format!("33 {ID}"));
        check(&tables::completed(&id()), &format!("34 {ID}"));
        check(&tables::completed_by_age(Timestamp(9), &id()), &format!("35 00 00 00 00 00 00 00 09 {ID}"));
        let place = ExtentId { volume: 3, offset: 4096 };
        check(&tables::extent(place), "40 00 00 00 00 00 00 00 03 00 00 00 00 00 00 10 00");
        check(&tables::reclaim(place), "41 00 00 00 00 00 00 00 03 00 00 00 00 00 00 10 00");
    }

    #[test]
    fn keys_read_back() {
        for text in ["a", "\0", "a\0", "\0\0b", "a\u{1}", "\u{10ffff}"] {
            assert_eq!(
                tables::read_upload_key(&tables::upload(7, text, &id())).unwrap(),
                (text.into(), id())
            );
        }
        assert_eq!(tables::read_part_key(&tables::part(&id(), PartNumber::MAX)).unwrap(), PartNumber::MAX);
        let place = ExtentId { volume: u64::MAX, offset: 1 };
        assert_eq!(tables::read_extent_key(&tables::reclaim(place)).unwrap(), place);
        let in_bucket = tables::abort_bucket(JobId(3), u64::MAX);
        assert_eq!(tables::read_abort_bucket_key(&in_bucket).unwrap(), (JobId(3), u64::MAX));
        assert_eq!(tables::read_number_key(&tables::usage(u64::MAX)).unwrap(), u64::MAX);
    }

    #[test]
    fn keys_of_the_wrong_shape_are_refused() {
        let upload = tables::upload(7, "a\0b", &id());
        for kept in 0..upload.len() {
            assert!(tables::read_upload_key(&upload[..kept]).is_err(), "{kept} bytes");
        }
        assert!(tables::read_extent_key(&[0x40; 16]).is_err());
        assert!(tables::read_extent_key(&[0x40; 18]).is_err());
        assert!(tables::read_abort_bucket_key(&[0x16; 18]).is_err());
        assert!(tables::read_number_key(&[0x11; 8]).is_err());
        assert!(tables::read_part_key(&[0x32, 0, 0]).is_err(), "there is no part 0");
    }

    #[test]
    fn inner_texts_sort_like_plain_ones() {
        let mut texts = [
            "a",
            "",
            "\0",
            "\0\0",
            "\0a",
            "\u{1}",
            "a\0",
            "a\0\0",
            "a\0b",
            "a\u{1}",
            "a/",
            "ab",
            "\u{10ffff}",
        ];
        texts.sort_unstable();
        for pair in texts.windows(2) {
            assert!(tables::upload(7, pair[0], &id()) < tables::upload(7, pair[1], &id()), "{pair:?}");
        }
    }
}
