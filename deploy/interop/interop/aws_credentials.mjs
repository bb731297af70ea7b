// A workload: the AWS SDK's own chain finds role and token file in the environment.
import {fromNodeProviderChain} from '@aws-sdk/credential-providers';

const found = await fromNodeProviderChain()();
process.stdout.write(JSON.stringify({key: found.accessKeyId, token: found.sessionToken}));
