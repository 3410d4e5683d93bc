import { type Fault, type FaultKind, type FaultPlace, findFault, GOES_ON, type SystemError } from './fault.ts';

type Entry = readonly [FaultKind, what: string, fix: string];

const rights: Entry = [
  'denied',
  'the user of this process does not have the permission',
  `Give that user permission to read and write there: chown and chmod, or fsGroup in Kubernetes. Check SELinux and AppArmor too. ${GOES_ON}`,
];
const broken: Entry = [
  'disk',
  'the disk or its file system is damaged',
  'Read the kernel log (dmesg) and check the disk. Copy what can be read, then repair the file system (fsck) or replace the disk.',
];
const limited: Entry = [
  'file-system',
  'the file system does not support the operation',
  'Use a file system with hard links and syncs, such as ext4 or XFS. exFAT, FAT and some network shares do not have them.',
];
const share: Entry = [
  'mount',
  'the network share does not answer, or was exported again',
  'Restore the server of the share, or mount it again. If that does not help, restart the processes that use it.',
];
const busy: Entry = ['busy', 'another program uses the file', `Find the program that uses it (fuser, lsof) and stop it. ${GOES_ON}`];
const path = (what: string, fix: string): Entry => ['path', what, fix];

/** Names as in https://man7.org/linux/man-pages/man3/errno.3.html */
const entries: Readonly<Record<string, Entry>> = {
  ENOSPC: ['full', 'the disk is full', `Free space on it or make it larger. Check the inodes too (df -h, df -i). ${GOES_ON}`],
  EDQUOT: ['full', 'the disk quota is used up', `Raise the quota of the user or folder, or free space. ${GOES_ON}`],
  EFBIG: [
    'full',
    'the file would be larger than the limit for files',
    'Raise the limit of file sizes (ulimit -f), or use another file system.',
  ],
  EROFS: [
    'read-only',
    'the file system is mounted read-only',
    `Mount it for reading and writing. In Kubernetes, check readOnly of the volume. If it was writable before, the disk may have failed: read the kernel log (dmesg). ${GOES_ON}`,
  ],
  EACCES: rights,
  EPERM: rights,
  EMFILE: [
    'descriptors',
    'this process has reached its limit of open files',
    `Raise the limit (ulimit -n, LimitNOFILE of systemd). ${GOES_ON}`,
  ],
  ENFILE: [
    'descriptors',
    'the machine has reached its limit of open files',
    `Raise fs.file-max, or find the process that has so many files open. ${GOES_ON}`,
  ],
  ENOTDIR: path('a part of the path is a file, not a folder', 'Correct the path in {setting}, or move that file away.'),
  EISDIR: path('there is a folder where a file is expected', 'Correct the path in {setting}, or move that folder away.'),
  ENAMETOOLONG: path('the path is longer than the file system allows', 'Use a shorter path in {setting}.'),
  ELOOP: path('the symbolic links in the path form a circle', 'Correct these links, or the path in {setting}.'),
  ENOLINK: path('a symbolic link in the path has no target', 'Mount the disk of the target, or correct or remove the link.'),
  ENOENT: path('a part of the path does not exist', 'Create the folder or mount the disk, or correct the path in {setting}.'),
  EXDEV: path('the folder is on more than one file system', 'Keep everything below the folder of {setting} on one file system.'),
  EINVAL: limited,
  EMLINK: limited,
  ENOSYS: limited,
  ENOTSUP: limited,
  EOPNOTSUPP: limited,
  EIO: broken,
  EBADMSG: broken,
  EREMOTEIO: broken,
  EUCLEAN: broken,
  ENODEV: broken,
  ENXIO: broken,
  ESTALE: share,
  ENOTCONN: share,
  EHOSTDOWN: share,
  EHOSTUNREACH: share,
  ECONNRESET: share,
  ECONNREFUSED: share,
  ECONNABORTED: share,
  ETIMEDOUT: share,
  EBUSY: busy,
  ETXTBSY: busy,
  EAGAIN: busy,
  ENOLCK: busy,
  ENOMEM: ['memory', 'the machine has no memory left', `Give this process or the machine more memory. ${GOES_ON}`],
};

/** Errors without a name in Node, by their number on Linux. */
const unnamed: Readonly<Record<number, string>> = {
  5: 'EIO',
  117: 'EUCLEAN',
  121: 'EREMOTEIO',
  122: 'EDQUOT',
  126: 'ENOKEY',
  127: 'EKEYEXPIRED',
};

const nameOf = (code: string, errno: unknown): string =>
  (typeof errno === 'number' && code.startsWith('Unknown system error') && unnamed[Math.abs(errno)]) || code;

function ofFile(code: string, { errno, syscall }: SystemError, { setting }: FaultPlace): Fault | undefined {
  const name = nameOf(code, errno);
  const found = Object.hasOwn(entries, name) ? entries[name] : undefined;
  // A file system without hard links gives EPERM for a link.
  const entry = name === 'EPERM' && syscall === 'link' ? limited : found;
  return entry && { kind: entry[0], code: name, what: entry[1], fix: entry[2].replace('{setting}', setting) };
}

/** Explains an error of a file or folder; undefined for any other error. */
export const diskFault = (error: unknown, place: FaultPlace): Fault | undefined =>
  findFault(error, (code, found) => ofFile(code, found, place));
