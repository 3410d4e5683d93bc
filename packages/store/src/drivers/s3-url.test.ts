import { describe, expect, test } from '@jest/globals';
import { parseS3Url } from './s3-url.ts';

const parse = (url: string, env = {}) => parseS3Url(new URL(url), env);

const plain = { basePath: '', signBasePath: true, ca: undefined, timeoutMs: 5000, connections: 64 };
const aws = { ...plain, endpoint: undefined, pathStyle: false };

describe('an S3 URL', () => {
  test.each([
    [
      's3://minio:9000/bucket',
      { ...plain, endpoint: 'https://minio:9000', region: 'us-east-1', bucket: 'bucket', prefix: '', pathStyle: true },
    ],
    [
      's3://MinIO/b.c/x/y%20z/?tls=off&region=eu-1&style=virtual&ca=/etc/ca.pem&timeout=30&connections=8',
      {
        ...plain,
        endpoint: 'http://minio',
        region: 'eu-1',
        bucket: 'b.c',
        prefix: 'x/y z/',
        pathStyle: false,
        ca: '/etc/ca.pem',
        timeoutMs: 30_000,
        connections: 8,
      },
    ],
    [
      's3://[::1]:9000/bucket',
      { ...plain, endpoint: 'https://[::1]:9000', region: 'us-east-1', bucket: 'bucket', prefix: '', pathStyle: true },
    ],
    [
      'http://minio:9000/bucket/p',
      { ...plain, endpoint: 'http://minio:9000', region: 'us-east-1', bucket: 'bucket', prefix: 'p/', pathStyle: true },
    ],
    ['s3:///bucket/p?region=eu-west-1', { ...aws, region: 'eu-west-1', bucket: 'bucket', prefix: 'p/' }],
    ['s3:///bucket?style=path', { ...aws, region: 'us-east-1', bucket: 'bucket', prefix: '', pathStyle: true }],
    ['https://bucket.s3.amazonaws.com/', { ...aws, region: 'us-east-1', bucket: 'bucket', prefix: '' }],
    ['http://my.bucket.s3.eu-west-1.amazonaws.com/p', { ...aws, region: 'eu-west-1', bucket: 'my.bucket', prefix: 'p/' }],
    ['https://bucket.s3-us-gov-west-1.amazonaws.com', { ...aws, region: 'us-gov-west-1', bucket: 'bucket', prefix: '' }],
    ['https://s3.bucket.eu-west-1.amazonaws.com/p/q', { ...aws, region: 'eu-west-1', bucket: 'bucket', prefix: 'p/q/' }],
    ['s3://s3.eu-west-1.amazonaws.com/bucket', { ...aws, region: 'eu-west-1', bucket: 'bucket', prefix: '' }],
    ['s3://s3.amazonaws.com/bucket?region=us-west-2', { ...aws, region: 'us-west-2', bucket: 'bucket', prefix: '' }],
    [
      's3://s3.dualstack.eu-west-1.amazonaws.com/bucket?region=eu-west-1',
      {
        ...plain,
        endpoint: 'https://s3.dualstack.eu-west-1.amazonaws.com',
        region: 'eu-west-1',
        bucket: 'bucket',
        prefix: '',
        pathStyle: true,
      },
    ],
  ])('%s', (url, target) => {
    expect(parse(url)).toEqual(target);
  });

  const behind = {
    ...plain,
    endpoint: 'https://proxy',
    region: 'us-east-1',
    bucket: 'bucket',
    prefix: 'p/',
    pathStyle: true,
    basePath: '/s3',
  };

  test.each([
    ['https://proxy/s3/bucket/p?basePath=/s3', behind],
    ['https://proxy/bucket/p?basePath=/s3', behind],
    ['s3://proxy/s3/bucket/p?basePath=/s3/', behind],
    ['s3://proxy/a/b/bucket/p/?basePath=/a/b', { ...behind, basePath: '/a/b' }],
    ['s3://proxy/s3/bucket/p?basePath=/s3&signBasePath=off', { ...behind, signBasePath: false }],
    ['s3://proxy/bucket/p?basePath=/s3&style=virtual', { ...behind, pathStyle: false }],
    ['s3://proxy/s3/s3/p?basePath=/s3', { ...behind, bucket: 's3' }],
    ['s3://proxy/s3x/p?basePath=/s3', { ...behind, bucket: 's3x' }],
    ['s3://proxy/s3/bucket', { ...behind, basePath: '', bucket: 's3', prefix: 'bucket/' }],
  ])('with the path of a proxy: %s', (url, target) => {
    expect(parse(url)).toEqual(target);
  });

  test('takes the region from the environment where nothing nearer says it', () => {
    expect(parse('s3:///bucket', { AWS_REGION: 'eu-1', AWS_DEFAULT_REGION: 'eu-2' }).region).toBe('eu-1');
    expect(parse('s3:///bucket', { AWS_REGION: '', AWS_DEFAULT_REGION: 'eu-2' }).region).toBe('eu-2');
    expect(parse('s3:///bucket?region=eu-3', { AWS_REGION: 'eu-1' }).region).toBe('eu-3');
  });

  test.each([
    ['s3:', 'bucket is missing: write s3://endpoint/bucket/prefix'],
    ['s3://', 'bucket is missing'],
    ['s3://my-bucket', 'bucket is missing: write s3://endpoint/bucket/prefix, or s3:///bucket/prefix for AWS'],
    ['s3://minio:9000/', 'bucket is missing'],
    ['https://s3.amazonaws.com/', 'bucket is missing'],
    ['s3://minio//bucket', 'bucket "" is not a bucket name'],
    ['s3://minio/b!c', 'bucket "b!c" is not a bucket name'],
    ['s3://minio/bucket/a//b', 'prefix: key'],
    ['s3://minio/bucket/.a', 'prefix: key'],
    ['s3://minio/bucket/a%0a', 'prefix: key'],
    [`s3://minio/bucket/${'x'.repeat(120)}`, 'prefix is longer than 119 bytes'],
    ['s3://minio/bucket/%', 'wrong % escape'],
    ['s3://minio/bucket#x', 'expected nothing behind #'],
    ['s3://minio/bucket?fsync=no', 'unknown option fsync, expected region, style, tls, ca, timeout, connections, basePath or signBasePath'],
    [
      's3://minio/bucket?secret_key=HUNTER2',
      'unknown option secret_key: secrets do not belong there, give them as BLOCKHUB_STORE_ACCESS_KEY',
    ],
    ['s3://minio/bucket?region=', 'option region: expected a region'],
    ['s3://minio/bucket?region=a&region=b', 'option region is given more than once'],
    ['s3://minio/bucket?style=host', 'option style: expected path or virtual'],
    ['s3://minio/bucket?tls=no', 'option tls: expected on or off'],
    ['s3://minio/bucket?ca=ca.pem', 'option ca: expected the absolute path'],
    ['s3://minio/bucket?timeout=0', 'option timeout: expected a whole number from 1 to 999'],
    ['s3://minio/bucket?connections=x', 'option connections: expected a whole number from 1 to 9999'],
    ['s3:///bucket?tls=off', 'option tls: AWS requires TLS'],
    ['https://minio/bucket?tls=off', 'option tls: off contradicts https://'],
    ['s3://proxy/bucket?basePath=s3', 'option basePath: expected a path such as /s3'],
    ['s3://proxy/bucket?basePath=/', 'option basePath: expected a path'],
    ['s3://proxy/bucket?basePath=', 'option basePath: expected a path'],
    ['s3://proxy/bucket?basePath=/a//b', 'option basePath: expected a path'],
    ['s3://proxy/bucket?basePath=/a%20b', 'option basePath: expected a path'],
    ['s3://proxy/bucket?basePath=/a/../b', 'option basePath: it has a part . or ..'],
    [`s3://proxy/bucket?basePath=/${'x'.repeat(200)}`, 'option basePath: it is longer than 200 characters'],
    ['s3:///bucket?basePath=/s3', 'option basePath: AWS has no path before the bucket'],
    ['s3://proxy/s3?basePath=/s3', 'bucket is missing'],
    ['s3://proxy/bucket?signBasePath=off', 'option signBasePath: it requires basePath'],
    ['s3://proxy/bucket?basePath=/s3&signBasePath=no', 'option signBasePath: expected on or off'],
  ])('%s is refused: %s', (url, why) => {
    const error = (() => {
      try {
        return parse(url);
      } catch (thrown) {
        return thrown;
      }
    })();
    expect(error).toMatchObject({ code: 'STORE_URL_INVALID', message: expect.stringContaining(why) });
    expect(String(error)).not.toContain('HUNTER2');
  });
});
