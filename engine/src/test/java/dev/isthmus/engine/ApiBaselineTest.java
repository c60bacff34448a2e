package dev.isthmus.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/** The comparison of the API with its baseline, in pom.xml, is about every package that everyone may use. */
class ApiBaselineTest {

    @Test
    void everyPackageThatIsExportedToAllIsCompared() throws IOException {
        Set<String> exported = found("src/main/java/module-info.java", "exports (dev\\.isthmus[\\w.]+);");
        assertEquals(exported, found("pom.xml", "<include>(dev\\.isthmus[\\w.]+)</include>"), "compared");
        assertEquals(exported, found("pom.xml", "<argument>(dev/isthmus[\\w/]+)</argument>"), "in the baseline");
    }

    private static Set<String> found(String file, String pattern) throws IOException {
        return Pattern.compile(pattern).matcher(Files.readString(Path.of(file))).results()
                .map(match -> match.group(1).replace('/', '.'))
                .collect(Collectors.toCollection(TreeSet::new));
    }
}
