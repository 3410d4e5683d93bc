export const schemas = {
  RootBlock: {},
  LinkBlock: {},
  TailBlock: {},
  NewBlock: {},
  BlobItem: {},
  Receipt: {},
  Tail: {},
  Blueprint: {},
  BeforeStitch: {},
  AfterStitch: {},
} satisfies Record<string, object>;
