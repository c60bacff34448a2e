package dev.isthmus.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** Messages of the library are for those who embed it, who have no command line. */
class MessagesTest {

    /** A flag in a string; Java's own options are also an embedder's. */
    private static final Pattern FLAG = Pattern.compile("\"[^\"\\n]*--(?!enable-native-access|illegal)[a-z][^\"\\n]*\"");

    @Test
    void libraryMessagesNameNoCommandLineFlag() throws IOException {
        List<String> found = new ArrayList<>();
        int files = 0;
        try (Stream<Path> sources = Files.walk(Path.of("src/main/java"))) {
            for (Path source : sources.filter(path -> path.toString().endsWith(".java")).toList()) {
                files++;
                Matcher flags = FLAG.matcher(Files.readString(source));
                while (flags.find()) {
                    found.add(source.getFileName() + ": " + flags.group());
                }
            }
        }
        assertTrue(files > 50, "the sources are where this test looks for them");
        assertEquals(List.of(), found);
    }
}
