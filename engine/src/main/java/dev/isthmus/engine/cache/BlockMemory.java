package dev.isthmus.engine.cache;

import dev.isthmus.engine.tensor.DType;
import dev.isthmus.engine.tensor.Place;
import dev.isthmus.engine.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** Where the blocks of caches lie. Any number of threads may use it, each on blocks of its own. */
public interface BlockMemory {

    /** Memory that Java reads and writes. */
    BlockMemory HOST = new BlockMemory() {
        @Override
        public Tensor allocate(Arena arena, DType type, long elements) {
            return Tensor.allocate(arena, type, elements);
        }

        @Override
        public void copy(Tensor from, Tensor to) {
            to.data().copyFrom(from.data());
        }

        @Override
        public void read(Tensor block, MemorySegment into) {
            into.copyFrom(block.data());
        }

        @Override
        public void write(MemorySegment from, Tensor block) {
            block.data().copyFrom(from);
        }
    };

    /** Where blocks are. */
    default Place place() {
        return Place.HOST;
    }

    /** The bytes that blocks may take where nobody set a limit, besides what the process's memory allows. */
    default long automaticLimit() {
        return Long.MAX_VALUE;
    }

    /** A zeroed block, freed with the arena. */
    Tensor allocate(Arena arena, DType type, long elements);

    /** Copies one block to another of the same size. */
    void copy(Tensor from, Tensor to);

    /** Copies a block's bytes to memory of the same size that Java reads. */
    void read(Tensor block, MemorySegment into);

    /** Copies bytes from memory that Java reads to a block of the same size. */
    void write(MemorySegment from, Tensor block);

    /** The order of a block's elements, for telling stored blocks apart; empty for the host's. */
    default String layout() {
        return "";
    }

    /** Zeroes what a block's bytes, as {@link #read} gives them, hold of one of its positions. */
    default void clear(KvCache cache, MemorySegment bytes, int slot) {
        cache.layout().clear(bytes, slot);
    }

    /** The keys of one head at the first {@code positions} positions of a cache: [positions, D]. */
    default double[] keys(KvCache cache, int layer, int head, int positions) {
        int d = cache.headChannels();
        double[] keys = new double[positions * d];
        for (int i = 0; i < keys.length; i++) {
            keys[i] = cache.key(layer, head, i / d, i % d);
        }
        return keys;
    }
}
