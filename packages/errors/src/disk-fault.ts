import { type Fault, type FaultKind, type FaultPlace, findFault, GOES_ON, type SystemError } from './fault.ts';

type Entry = readonly [FaultKind, what: string, fix: string];

const rights: Entry = [
  'denied',
  'the user of this process may not do that there',
  `Give that user the right to read and write there (chown and chmod, fsGroup in Kubernetes); look at SELinux and AppArmor too. ${GOES_ON}`,
];
const broken: Entry = [
  'disk',
  'the disk or its file system is damaged',
  'Look at the kernel log (dmesg) and at the state of the disk. Copy what can be read, then repair the file system (fsck) or replace the disk.',
];
const limited: Entry = [
  'file-system',
  'the file system cannot do that',
  'Use a file system that has hard links and syncs, such as ext4 or XFS; exFAT, FAT and some network shares lack them.',
];
const share: Entry = [
  'mount',
  'the network share does not answer, or was exported anew',
  `Bring its server back, or mount it again, and restart what uses it if that does not help.`,
];
const busy: Entry = ['busy', 'another program uses it', `Find the program that holds it (fuser, lsof) and end it. ${GOES_ON}`];
const path = (what: string, fix: string): Entry => ['path', what, fix];

/** By the names of https://man7.org/linux/man-pages/man3/errno.3.html */
const entries: Readonly<Record<string, Entry>> = {
  ENOSPC: ['full', 'the disk is full', `Free space on it or make it larger; look at its inodes too (df -h, df -i). ${GOES_ON}`],
  EDQUOT: ['full', 'the disk quota is used up', `Raise the quota of the user or folder, or free space. ${GOES_ON}`],
  EFBIG: ['full', 'the file would be larger than is allowed', 'Raise the limit of file sizes (ulimit -f), or use another file system.'],
  EROFS: [
    'read-only',
    'the file system is mounted read-only',
    `Mount it for reading and writing; in Kubernetes, look for readOnly at the volume. If it was writable before, its disk may have failed: look at the kernel log (dmesg). ${GOES_ON}`,
  ],
  EACCES: rights,
  EPERM: rights,
  EMFILE: [
    'descriptors',
    'this process may not open more files',
    `Raise its limit of open files (ulimit -n, LimitNOFILE of systemd). ${GOES_ON}`,
  ],
  ENFILE: [
    'descriptors',
    'the machine has no more open files to give',
    `Raise fs.file-max, or find the process that holds them. ${GOES_ON}`,
  ],
  ENOTDIR: path('a part of the path is a file, not a folder', 'Correct the path in {setting}, or move that file away.'),
  EISDIR: path('a folder lies where a file should be', 'Correct the path in {setting}, or move that folder away.'),
  ENAMETOOLONG: path('the path is longer than the file system allows', 'Use a shorter path in {setting}.'),
  ELOOP: path('the symbolic links of the path lead in a circle', 'Correct these links, or the path in {setting}.'),
  ENOLINK: path('a symbolic link on the way leads nowhere', 'Mount the disk that it leads to, or correct or remove that link.'),
  ENOENT: path('a part of the path does not exist', 'Make the folder or mount the disk, or correct the path in {setting}.'),
  EXDEV: path('the folder lies on more than one file system', 'Keep all below the folder of {setting} on one file system.'),
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

/** Those that Node has no name for, by their number on Linux. */
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
  // It is also what a file system without hard links gives.
  const entry = name === 'EPERM' && syscall === 'link' ? limited : found;
  return entry && { kind: entry[0], code: name, what: entry[1], fix: entry[2].replace('{setting}', setting) };
}

/** What an error of a file or folder means; undefined where it is none. */
export const diskFault = (error: unknown, place: FaultPlace): Fault | undefined =>
  findFault(error, (code, found) => ofFile(code, found, place));
