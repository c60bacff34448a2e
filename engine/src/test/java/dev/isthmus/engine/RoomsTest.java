package dev.isthmus.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/**
 * The engine's packages stand in the order of docs/architecture.md, none imports one that stands after it, and none
 * grows beyond what a reader can keep in mind.
 */
class RoomsTest {

    private static final Path ROOT = Path.of("src/main/java/dev/isthmus/engine");
    private static final Path PAGE = Path.of("../docs/architecture.md");
    private static final String SECTION = "## Rooms of the engine\n";

    /** Where an implementation of the kernels is chosen, which must know them all. */
    private static final String CHOICE = "Backends.java";

    /** The most files of a package, package-info.java among them. */
    private static final int MAX_FILES = 25;

    /** The facades and every public value are in one package, whose names callers import. */
    private static final Set<String> LARGE = Set.of("api");

    private static final Pattern IMPORT =
            Pattern.compile("^import (?:static )?dev\\.isthmus\\.engine\\.([a-z.]+)\\.", Pattern.MULTILINE);
    private static final Pattern ROW = Pattern.compile("^\\| `([a-z.]+)` \\|", Pattern.MULTILINE);

    /** The packages in the order of the page's table. */
    private static List<String> rooms() throws IOException {
        String page = Files.readString(PAGE).replace("\r", "");
        String section = page.substring(page.indexOf(SECTION) + SECTION.length()).split("\n## ", 2)[0];
        return ROW.matcher(section).results().map(row -> row.group(1)).toList();
    }

    private static List<Path> sources() throws IOException {
        try (Stream<Path> sources = Files.walk(ROOT)) {
            return sources.filter(path -> path.toString().endsWith(".java")).toList();
        }
    }

    private static String room(Path source) {
        return ROOT.relativize(source.getParent()).toString().replace('/', '.').replace('\\', '.');
    }

    @Test
    void dataFlowsOneWayThroughTheRooms() throws IOException {
        List<String> rooms = rooms();
        List<String> wrong = new ArrayList<>();
        for (Path source : sources()) {
            String room = room(source);
            Matcher imports = IMPORT.matcher(Files.readString(source));
            while (imports.find()) {
                boolean known = rooms.contains(room) && rooms.contains(imports.group(1));
                boolean down = rooms.indexOf(imports.group(1)) <= rooms.indexOf(room);
                if (!known || !down && !source.endsWith(CHOICE)) {
                    wrong.add(source + " imports " + imports.group(1));
                }
            }
        }
        assertFalse(sources().size() < 50, "the sources are where this test looks for them");
        assertEquals(List.of(), wrong);
    }

    @Test
    void thePageHasEveryRoomAndNoOther() throws IOException {
        assertEquals(sources().stream().map(RoomsTest::room).collect(Collectors.toCollection(TreeSet::new)),
                new TreeSet<>(rooms()));
        assertEquals(rooms().size(), Set.copyOf(rooms()).size(), "each room once");
    }

    @Test
    void noPackageHasMoreThan25Files() throws IOException {
        Map<String, Long> files = sources().stream()
                .collect(Collectors.groupingBy(RoomsTest::room, Collectors.counting()));
        files.keySet().removeAll(LARGE);
        files.values().removeIf(count -> count <= MAX_FILES);
        assertEquals(Map.of(), files);
    }

    @Test
    void noCycleBetweenClassesCrossesPackages() throws IOException {
        Map<String, Set<String>> uses = ClassUses.of(Path.of("target/classes"), "dev/isthmus/engine/");
        assertTrue(uses.get("dev/isthmus/engine/model/Gpt2Forward").contains("dev/isthmus/engine/kernels/Kernels"),
                "the classes are where this test looks for them");
        assertEquals(List.of(), ClassUses.cyclesAcrossPackages(uses));
    }

    @Test
    void aCycleThroughAThirdClassIsFound() {
        Map<String, Set<String>> uses = Map.of("a/A", Set.of("b/B"), "b/B", Set.of("b/C"), "b/C", Set.of("a/A"));
        assertEquals(List.of("a/A and b/B", "a/A and b/C"), ClassUses.cyclesAcrossPackages(uses));
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
