package dev.isthmus.bindings;

import dev.isthmus.bindings.isthmus.Isthmus;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Optional;

/**
 * Large areas of memory, in large pages where the system has them. It is here because giving an address a size is a
 * restricted method, which only this module is allowed.
 */
public final class MappedMemory {

    private MappedMemory() {}

    /**
     * Zeroed memory from libisthmus, which must be available. Any thread may call this.
     *
     * @param arena frees the memory when it closes
     * @param bytes how many
     * @return the memory; empty where {@code bytes} is 0 or the system gives none
     */
    public static Optional<MemorySegment> allocate(Arena arena, long bytes) {
        MemorySegment area = Isthmus.isthmus_map_memory(bytes);
        if (area.address() == 0) {
            return Optional.empty();
        }
        return Optional.of(area.reinterpret(bytes, arena, memory -> Isthmus.isthmus_unmap_memory(memory, bytes)));
    }
}
