package dev.isthmus.engine.api;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** What sessions take of the Java heap. The model's vocabulary is small, so that its logits are 1 KB. */
@Timeout(60)
class SessionHeapTest {

    private static final int MANY = 200;

    /** What may be left of the 4 KB for logits of no more than the small vocabulary. */
    private static final long LIMIT = 1500;

    @TempDir
    static Path directory;

    @BeforeAll
    static void write() throws IOException {
        TinyModel.write(directory, 1100, 42);
    }

    /** The bytes that one of many calls allocates, which is at least what its result keeps. */
    private static long bytes(Supplier<Session> opening) {
        ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        List<Session> sessions = new ArrayList<>(2 * MANY);
        for (int i = 0; i < MANY; i++) {
            sessions.add(opening.get());
        }
        long before = threads.getCurrentThreadAllocatedBytes();
        for (int i = 0; i < MANY; i++) {
            sessions.add(opening.get());
        }
        long bytes = (threads.getCurrentThreadAllocatedBytes() - before) / MANY;
        sessions.forEach(Session::close);
        return bytes;
    }

    @Test
    void anEmptySessionTakesLittle() {
        try (Model model = Model.open(directory)) {
            long bytes = bytes(model::newSession);
            assertTrue(bytes <= LIMIT, bytes + " bytes");
        }
    }

    @Test
    void aForkOfALongTextTakesLittle() {
        try (Model model = Model.open(directory); Session parent = model.newSession()) {
            parent.append(IntStream.range(0, 1000).map(i -> i % 250).toArray());
            long bytes = bytes(parent::fork);
            assertTrue(bytes <= LIMIT, bytes + " bytes");
        }
    }

    @Test
    void forksThatShareChangeAlone() {
        try (Model model = Model.open(directory); Session parent = model.newSession()) {
            parent.append(1, 2, 3);
            float[] logits = parent.logits();
            try (Session fork = parent.fork(); Session second = fork.fork()) {
                parent.append(4);
                fork.append(5, 6);
                assertArrayEquals(new int[] {1, 2, 3, 4}, parent.tokens());
                assertArrayEquals(new int[] {1, 2, 3, 5, 6}, fork.tokens());
                assertArrayEquals(new int[] {1, 2, 3}, second.tokens());
                assertArrayEquals(logits, second.logits());
                fork.rewind(3);
                assertArrayEquals(logits, fork.logits());
                assertArrayEquals(logits, second.logits());
            }
        }
    }

    @Test
    void aVisitorsArrayIsItsOwn() {
        try (Model model = Model.open(directory); Session session = model.newSession();
                Session untouched = model.newSession()) {
            session.append(new int[] {1, 2, 3}, (position, logits) -> Arrays.fill(logits, 7));
            untouched.append(1, 2, 3);
            assertArrayEquals(untouched.logits(), session.logits());
        }
    }
}
