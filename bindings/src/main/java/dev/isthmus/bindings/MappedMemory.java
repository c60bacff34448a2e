package dev.isthmus.bindings;

import dev.isthmus.bindings.isthmus.Isthmus;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Optional;
import java.util.function.BooleanSupplier;

/**
 * Large areas of memory, in large pages where the system has them, and areas of files. It is here because giving an
 * address a size is a restricted method, which only this module is allowed.
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

    /**
     * Watches a mapped file with libisthmus, which must be available: where the file loses pages, or its disk cannot
     * deliver them, whoever reads them finds zeros from then on, instead of a signal that ends the process.
     *
     * @param mapping the file from its first byte on, freed with {@code arena}
     * @param arena ends the watch when it closes
     * @return whether every page that was read was there, to be asked by any thread while the arena is open; empty
     *     where libisthmus can watch no further file
     */
    public static Optional<BooleanSupplier> watch(MemorySegment mapping, Arena arena) {
        int watch = Isthmus.isthmus_watch(mapping, mapping.byteSize());
        if (watch < 0) {
            return Optional.empty();
        }
        mapping.reinterpret(mapping.byteSize(), arena, memory -> Isthmus.isthmus_unwatch(watch));
        return Optional.of(() -> Isthmus.isthmus_is_whole(watch) == 1);
    }
}
