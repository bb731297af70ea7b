// A workload: the AWS SDK's own chain finds role and token file in the environment. It writes an object and
// reads it. Told in the environment: where the endpoint is (as the SDK reads it), and in the arguments bucket and text.
import {CreateBucketCommand, GetObjectCommand, PutObjectCommand, S3Client} from '@aws-sdk/client-s3';
import {fromNodeProviderChain} from '@aws-sdk/credential-providers';

const [bucket, text] = process.argv.slice(2);
const s3 = new S3Client({credentials: fromNodeProviderChain(), forcePathStyle: true});
await s3.send(new CreateBucketCommand({Bucket: bucket}));
await s3.send(new PutObjectCommand({Bucket: bucket, Key: 'greeting', Body: text}));
const found = await s3.send(new GetObjectCommand({Bucket: bucket, Key: 'greeting'}));
process.stdout.write(await found.Body.transformToString());
