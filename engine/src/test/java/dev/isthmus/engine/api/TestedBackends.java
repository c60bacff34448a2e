package dev.isthmus.engine.api;

import dev.isthmus.engine.kernels.TestBackend;
import java.util.Locale;
import java.util.stream.Stream;

/** The backends that an application can choose and that work here. */
public final class TestedBackends {

    private TestedBackends() {}

    public static Stream<BackendChoice> all() {
        Stream<BackendChoice> always = Stream.of(BackendChoice.CPU, BackendChoice.REFERENCE);
        return (TestBackend.cuda().isEmpty() ? always : Stream.concat(always, Stream.of(BackendChoice.CUDA)))
                .filter(TestedBackends::isWanted);
    }

    /** As {@link TestBackend#isWanted}. */
    public static boolean isWanted(BackendChoice choice) {
        return TestBackend.isWanted(choice.name().toLowerCase(Locale.ROOT));
    }
}
