package dev.isthmus.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** The engine's packages stand in an order, and none imports one that stands after it. */
class RoomsTest {

    private static final List<String> ROOMS = List.of("errors", "checks", "memory", "tensor", "weights", "config", "cache",
            "kernels", "kernels.reference", "kernels.cpu", "kernels.cuda", "model", "tokenizer", "sampling", "api");

    /** Where the kernels behind the interface are chosen, which must know them all. */
    private static final String CHOICE = "Backends.java";

    private static final Pattern IMPORT =
            Pattern.compile("^import (?:static )?dev\\.isthmus\\.engine\\.([a-z.]+)\\.", Pattern.MULTILINE);

    @Test
    void dataFlowsOneWayThroughTheRooms() throws IOException {
        Path root = Path.of("src/main/java/dev/isthmus/engine");
        List<String> wrong = new ArrayList<>();
        int files = 0;
        try (Stream<Path> sources = Files.walk(root)) {
            for (Path source : sources.filter(path -> path.toString().endsWith(".java")).toList()) {
                files++;
                String room = root.relativize(source.getParent()).toString().replace('/', '.').replace('\\', '.');
                Matcher imports = IMPORT.matcher(Files.readString(source));
                while (imports.find()) {
                    boolean known = ROOMS.contains(room) && ROOMS.contains(imports.group(1));
                    boolean down = ROOMS.indexOf(imports.group(1)) <= ROOMS.indexOf(room);
                    if (!known || !down && !source.endsWith(CHOICE)) {
                        wrong.add(source + " imports " + imports.group(1));
                    }
                }
            }
        }
        assertFalse(files < 50, "the sources are where this test looks for them");
        assertEquals(List.of(), wrong);
    }

    /** Users allow native access to the bindings alone. */
    @Test
    void theEngineCallsNoRestrictedMethod() throws IOException {
        Pattern restricted = Pattern.compile("\\.reinterpret\\(|Linker\\.nativeLinker|SymbolLookup\\.libraryLookup"
                + "|System\\.load");
        try (Stream<Path> sources = Files.walk(Path.of("src/main/java"))) {
            for (Path source : sources.filter(path -> path.toString().endsWith(".java")).toList()) {
                assertFalse(restricted.matcher(Files.readString(source)).find(), source.toString());
            }
        }
    }
}
