import { registryConformance } from './conformance.ts';
import { MemoryRegistry } from './memory.ts';

const places = new Map<string, MemoryRegistry>();

registryConformance('memory', {
  async open(place) {
    const registry = places.get(place) ?? new MemoryRegistry();
    places.set(place, registry);
    return registry;
  },
});
