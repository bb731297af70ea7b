"""A workload: the AWS SDK's own chain finds role and token file in the environment. It writes an object and
reads it. Told in the environment: where the endpoint is (as the SDK reads it), and in the arguments bucket
and text."""

import sys

import boto3

bucket, text = sys.argv[1:]
s3 = boto3.client("s3")
s3.create_bucket(Bucket=bucket)
s3.put_object(Bucket=bucket, Key="greeting", Body=text.encode())
sys.stdout.write(s3.get_object(Bucket=bucket, Key="greeting")["Body"].read().decode())
