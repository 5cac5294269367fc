// SPDX-License-Identifier: Apache-2.0
// Aborts every upload of a bucket that was initiated before a time, by the SDK's own bulk call.

import java.util.Date;

import com.amazonaws.auth.profile.ProfileCredentialsProvider;
import com.amazonaws.services.s3.AmazonS3;
import com.amazonaws.services.s3.AmazonS3ClientBuilder;
import com.amazonaws.services.s3.model.ListMultipartUploadsRequest;
import com.amazonaws.services.s3.model.MultipartUpload;
import com.amazonaws.services.s3.transfer.TransferManager;
import com.amazonaws.services.s3.transfer.TransferManagerBuilder;

public class AbortUploadsBefore {

    public static void main(String[] args) throws Exception {
        String region = args[0];
        String bucket = args[1];
        Date before = new Date(Long.parseLong(args[2]));
        AmazonS3 s3 = AmazonS3ClientBuilder.standard()
                .withRegion(region)
                .withCredentials(new ProfileCredentialsProvider())
                .build();
        TransferManager transfers = TransferManagerBuilder.standard().withS3Client(s3).build();
        try {
            transfers.abortMultipartUploads(bucket, before);
            for (MultipartUpload left : s3.listMultipartUploads(new ListMultipartUploadsRequest(bucket)).getMultipartUploads()) {
                System.out.println("left " + left.getKey());
            }
        } finally {
            transfers.shutdownNow();
        }
    }
}
