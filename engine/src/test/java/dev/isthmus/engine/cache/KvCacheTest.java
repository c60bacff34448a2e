package dev.isthmus.engine.cache;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.isthmus.engine.errors.ContextFullException;
import dev.isthmus.engine.errors.InvalidInputException;
import dev.isthmus.engine.tensor.DType;
import java.lang.foreign.Arena;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class KvCacheTest {

    private final Arena arena = Arena.ofConfined();
    private final KvCache cache = new KvCache(2, 3, 5, 200, DType.F32, arena);

    @AfterEach
    void free() {
        arena.close();
    }

    @Test
    void memoryIsTakenBlockByBlockAsPositionsAreReached() {
        long blockBytes = 2L * 3 * KvCache.BLOCK_POSITIONS * (5 + 16) * Float.BYTES;
        assertEquals(0, cache.bytes());
        cache.reserve(1);
        assertEquals(blockBytes, cache.bytes());
        cache.reserve(64);
        assertEquals(blockBytes, cache.bytes());
        cache.reserve(65);
        assertEquals(2 * blockBytes, cache.bytes());
        cache.advance(65);
        cache.reserve(63);
        assertEquals(2 * blockBytes, cache.bytes());
        cache.reserve(64);
        assertEquals(3 * blockBytes, cache.bytes());
    }

    @Test
    void aFullContextIsAnErrorThatNamesTheLimit() {
        cache.reserve(200);
        cache.advance(200);
        ContextFullException full = assertThrows(ContextFullException.class, () -> cache.reserve(1));
        assertEquals(200, full.limit());
        assertTrue(full.getMessage().contains("200"));
    }

    @Test
    void positionsThatWereNotReservedCannotBeTaken() {
        cache.reserve(10);
        assertThrows(IllegalArgumentException.class, () -> cache.advance(65));
        assertThrows(IllegalArgumentException.class, () -> cache.advance(-1));
        assertEquals(0, cache.length());
    }

    @Test
    void rewindForgetsPositionsAndRefusesToInventThem() {
        cache.reserve(100);
        cache.advance(100);
        cache.rewind(3);
        assertEquals(3, cache.length());
        assertThrows(InvalidInputException.class, () -> cache.rewind(4));
        assertThrows(InvalidInputException.class, () -> cache.rewind(-1));
    }
}
