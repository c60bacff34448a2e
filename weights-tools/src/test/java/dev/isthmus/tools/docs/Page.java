package dev.isthmus.tools.docs;

import java.io.IOException;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * A page of documentation in Markdown, read as far as the project's pages go: headings, links, code and tables.
 *
 * @param path the file
 * @param blocks the code blocks, in order
 * @param prose the lines that belong to no block; a block's own lines are empty here
 */
record Page(Path path, List<Block> blocks, List<String> prose) {

    /** The project's folder, seen from this module. */
    static final Path ROOT = Path.of("..").toAbsolutePath().normalize();

    private static final String DRAWING = "text";
    private static final Pattern LINK = Pattern.compile("\\]\\(([^)\\s]+)\\)");
    private static final Pattern HEADING = Pattern.compile("#{1,6} +(.+)");
    private static final Pattern CODE = Pattern.compile("`([^`]+)`");
    private static final Set<String> NOT_OURS = Set.of("target", ".git", ".m2", "node_modules");

    /**
     * A block of code.
     *
     * @param language what follows the fence, "text" if nothing does; empty for an indented block
     * @param line the number of its first line, from 1
     * @param lines its lines, without indentation
     */
    record Block(String language, int line, List<String> lines) {

        /** Whether its lines are for a shell: indented blocks are, and fenced ones that say so. */
        boolean isShell() {
            return Set.of("", "sh", "shell", "bash").contains(language);
        }

        String text() {
            return String.join("\n", lines) + "\n";
        }
    }

    /** Reads all pages of the project. */
    static List<Page> all() throws IOException {
        List<Path> found = new ArrayList<>();
        Files.walkFileTree(ROOT, new SimpleFileVisitor<>() {
            @Override
            public FileVisitResult preVisitDirectory(Path folder, BasicFileAttributes attributes) {
                return isOurs(folder) ? FileVisitResult.CONTINUE : FileVisitResult.SKIP_SUBTREE;
            }

            @Override
            public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) {
                if (file.toString().endsWith(".md")) {
                    found.add(file);
                }
                return FileVisitResult.CONTINUE;
            }
        });
        List<Page> pages = new ArrayList<>();
        for (Path file : found.stream().sorted().toList()) {
            pages.add(of(file, Files.readAllLines(file)));
        }
        return pages;
    }

    /** Whether a folder holds sources, and not what a build or a tool has put there. */
    static boolean isOurs(Path folder) {
        return !NOT_OURS.contains(folder.getFileName().toString());
    }

    /** Reads one page by its name below the project's folder. */
    static Page named(String name) throws IOException {
        return of(ROOT.resolve(name), Files.readAllLines(ROOT.resolve(name)));
    }

    /** Separates a page's blocks from its prose. */
    static Page of(Path path, List<String> lines) {
        List<Block> blocks = new ArrayList<>();
        List<String> prose = new ArrayList<>();
        for (int i = 0; i < lines.size();) {
            boolean fenced = lines.get(i).strip().startsWith("```");
            boolean afterText = i > 0 && !lines.get(i - 1).isBlank();
            int end = fenced ? endOfFence(lines, i) : afterText ? i : endOfIndented(lines, i);
            if (fenced) {
                String language = lines.get(i).strip().substring(3);
                blocks.add(new Block(language.isEmpty() ? DRAWING : language, i + 2, lines.subList(i + 1, end - 1)));
            } else if (end > i) {
                blocks.add(new Block("", i + 1, lines.subList(i, end).stream().map(String::strip).toList()));
            } else {
                prose.add(lines.get(i));
                end = i + 1;
            }
            while (prose.size() < end) {
                prose.add("");
            }
            i = end;
        }
        return new Page(path, blocks, prose);
    }

    private static int endOfFence(List<String> lines, int begin) {
        int end = begin + 1;
        while (!lines.get(end).strip().equals("```")) {
            end++;
        }
        return end + 1;
    }

    private static int endOfIndented(List<String> lines, int begin) {
        int end = begin;
        while (end < lines.size() && lines.get(end).startsWith("    ")) {
            end++;
        }
        return end;
    }

    /** The page's name below the project's folder. */
    String name() {
        return ROOT.relativize(path.toAbsolutePath()).toString().replace('\\', '/');
    }

    /** The targets of the links, in order. */
    List<String> links() {
        return found(LINK).toList();
    }

    /** The pieces of code within sentences, in order. */
    List<String> inlineCode() {
        return found(CODE).toList();
    }

    private Stream<String> found(Pattern pattern) {
        return pattern.matcher(String.join("\n", prose)).results().map(result -> result.group(1));
    }

    /** The anchors of the headings, as GitHub makes them. */
    Set<String> anchors() {
        Set<String> anchors = new TreeSet<>();
        Map<String, Integer> seen = new HashMap<>();
        for (String line : prose) {
            HEADING.matcher(line).results().filter(result -> result.start() == 0).map(result -> slug(result.group(1)))
                    .forEach(slug -> {
                        int times = seen.merge(slug, 1, Integer::sum);
                        anchors.add(times == 1 ? slug : slug + "-" + (times - 1));
                    });
        }
        return anchors;
    }

    private static String slug(String heading) {
        return heading.toLowerCase(Locale.ROOT).replaceAll("[^\\p{L}\\p{N} _-]", "").strip().replace(' ', '-');
    }

    /** The lines below a heading, up to the next one of the same or a higher rank. */
    List<String> section(String heading) {
        int begin = 0;
        while (!prose.get(begin).matches("#+ " + Pattern.quote(heading))) {
            begin++;
            if (begin == prose.size()) {
                throw new AssertionError(name() + " has no section " + heading);
            }
        }
        int rank = prose.get(begin).indexOf(' ');
        int end = begin + 1;
        while (end < prose.size() && !prose.get(end).matches("#{1," + rank + "} .*")) {
            end++;
        }
        return prose.subList(begin + 1, end);
    }

    /** The cells of the tables among some lines, a list for each row; the lines below a table's head are left out. */
    static List<List<String>> tableRows(List<String> lines) {
        return lines.stream().filter(line -> line.startsWith("|") && !line.matches("[|: -]+"))
                .map(line -> Arrays.stream(line.substring(1).split("(?<!\\\\)\\|"))
                        .map(cell -> cell.strip().replace("\\|", "|")).toList()).toList();
    }

    /** The pieces of code in a cell. */
    static List<String> code(String cell) {
        return CODE.matcher(cell).results().map((MatchResult result) -> result.group(1)).toList();
    }
}
