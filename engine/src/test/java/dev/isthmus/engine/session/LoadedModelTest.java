package dev.isthmus.engine.session;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.isthmus.engine.api.TinyModel;
import dev.isthmus.engine.config.KernelKind;
import dev.isthmus.engine.errors.BackendException;
import dev.isthmus.engine.errors.ClosedException;
import dev.isthmus.engine.errors.ConcurrentUseException;
import dev.isthmus.engine.errors.EngineException;
import dev.isthmus.engine.errors.UnsupportedModelException;
import dev.isthmus.engine.kernels.Backend;
import dev.isthmus.engine.kernels.Backends;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.IntFunction;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class LoadedModelTest {

    @TempDir
    private static Path directory;

    @BeforeAll
    static void write() throws IOException {
        TinyModel.write(directory);
    }

    private static LoadedModel open(List<IntFunction<Backend>> backends) {
        return LoadedModel.open(directory, new LoadOptions(backends, 3, Optional.empty(),
                LoadOptions.Cache.of(Optional.empty()), (done, total) -> {}));
    }

    private static LoadedModel open() {
        return open(List.of(threads -> Backends.reference()));
    }

    private static IntFunction<Backend> refusing(EngineException refusal) {
        return threads -> {
            throw refusal;
        };
    }

    @Test
    void theNextBackendIsTriedAfterARefusal() {
        List<Integer> threads = new ArrayList<>();
        try (LoadedModel model = open(List.of(refusing(new BackendException("no device")),
                refusing(new UnsupportedModelException("wide heads")), count -> {
                    threads.add(count);
                    return Backends.reference();
                }))) {
            assertEquals(KernelKind.REFERENCE, model.backend().kind());
            assertEquals(List.of(3), threads);
        }
    }

    @Test
    void theLastBackendsRefusalIsThrown() {
        BackendException last = new BackendException("no kernels");
        assertSame(last, assertThrows(BackendException.class,
                () -> open(List.of(refusing(new BackendException("no device")), refusing(last)))));
    }

    @Test
    void aClosedModelRefusesWork() {
        LoadedModel model = open();
        assertEquals(1, model.<Integer>whileOpen(() -> 1));
        model.close();
        model.close();
        assertThrows(ClosedException.class, model::requireOpen);
        assertThrows(ClosedException.class, () -> model.whileOpen(() -> 1));
    }

    @Test
    void workCannotCloseItsOwnModel() {
        LoadedModel model = open();
        assertThrows(ConcurrentUseException.class, () -> model.whileOpen(() -> {
            model.close();
            return 1;
        }));
        assertEquals(2, model.<Integer>whileOpen(() -> 2));
        model.close();
    }
}
