import { registryConformance } from './conformance.ts';
import { MemoryRegistry } from './memory.ts';

const registries = new Map<string, MemoryRegistry>();

registryConformance('memory', {
  async open(name) {
    const registry = registries.get(name) ?? new MemoryRegistry();
    registries.set(name, registry);
    return registry;
  },
});
