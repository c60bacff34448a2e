package dev.isthmus.bindings;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.isthmus.bindings.isthmus.Isthmus;
import dev.isthmus.bindings.openblas.OpenBlas;
import java.io.IOException;
import java.lang.foreign.FunctionDescriptor;
import java.lang.reflect.Method;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * What GraalVM's native-image is told of the bindings is generated from them, and complete. After a change of the bindings
 * write it anew by running this test with {@code -Disthmus.write-metadata=true}.
 */
class ReachabilityMetadataTest {
    private static final Path COMMITTED = Path.of("src", "main", "resources", "META-INF", "native-image",
            "dev.isthmus", "isthmus-bindings", "reachability-metadata.json");
    private static final Path CLASSES = Path.of("target", "classes");

    @Test
    void theMetadataIsWhatTheClassFilesNeed() throws IOException {
        String generated = ReachabilityMetadata.of(CLASSES);
        if (Boolean.getBoolean("isthmus.write-metadata")) {
            Files.writeString(COMMITTED, generated);
        }
        assertEquals(generated, Files.readString(COMMITTED),
                "run this test with -Disthmus.write-metadata=true and commit " + COMMITTED);
    }

    @ParameterizedTest
    @ValueSource(classes = {Isthmus.class, OpenBlas.class})
    void everyFunctionThatIsBoundIsInTheMetadata(Class<?> bindings) throws Exception {
        String metadata = Files.readString(COMMITTED);
        int functions = 0;
        for (Method method : bindings.getMethods()) {
            if (method.getReturnType() == FunctionDescriptor.class) {
                functions++;
                String entry = ReachabilityMetadata.downcall((FunctionDescriptor) method.invoke(null));
                assertTrue(metadata.contains(entry), () -> method.getName() + ": " + entry);
            }
        }
        assertFalse(functions == 0, "no functions found in " + bindings);
    }

    @Test
    void everyBundledFileOfThisPlatformIsInTheMetadata() throws IOException {
        String metadata = Files.readString(COMMITTED);
        for (NativeLibrary library : ReachabilityMetadata.bundled()) {
            String folder = library.resourceFolder(Platform.current());
            for (String file : library.bundledFiles(Platform.current())) {
                assertTrue(metadata.contains("{\"glob\": \"" + folder + "/" + file + "\"}"), file);
            }
        }
    }
}
