package dev.isthmus.engine.api;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

class IsthmusVersionTest {

    private static final Pattern PARENT = Pattern.compile("<parent>.*?<version>(.*?)</version>", Pattern.DOTALL);

    @Test
    void versionIsThatOfTheArtefact() throws Exception {
        Matcher parent = PARENT.matcher(Files.readString(Path.of("pom.xml")));
        assertTrue(parent.find());
        assertEquals(parent.group(1), Isthmus.version());
    }
}
