package dev.isthmus.engine;

import java.io.IOException;
import java.lang.classfile.ClassFile;
import java.lang.classfile.constantpool.PoolEntry;
import java.lang.classfile.constantpool.Utf8Entry;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** Which classes use which, from the constant pools of compiled classes. A nested class counts as its outermost one. */
final class ClassUses {

    private ClassUses() {}

    /**
     * The classes below a folder, each with those that it names.
     *
     * @param prefix the package to look at, with its subpackages, such as {@code dev/isthmus/engine/}
     */
    static Map<String, Set<String>> of(Path folder, String prefix) throws IOException {
        Pattern name = Pattern.compile(Pattern.quote(prefix) + "[a-z/]*[A-Z][A-Za-z0-9_]*");
        Map<String, Set<String>> uses = new TreeMap<>();
        try (Stream<Path> classes = Files.walk(folder.resolve(prefix))) {
            for (Path file : classes.filter(each -> each.toString().endsWith(".class")).toList()) {
                String self = folder.relativize(file).toString().replace('\\', '/').replaceFirst("[$.].*", "");
                Set<String> used = uses.computeIfAbsent(self, _ -> new TreeSet<>());
                for (PoolEntry entry : ClassFile.of().parse(file).constantPool()) {
                    if (entry instanceof Utf8Entry text) {
                        Matcher found = name.matcher(text.stringValue());
                        while (found.find()) {
                            used.add(found.group());
                        }
                    }
                }
                used.remove(self);
            }
        }
        return uses;
    }

    /** The pairs of classes in different packages that use each other, directly or through others. */
    static List<String> cyclesAcrossPackages(Map<String, Set<String>> uses) {
        Map<String, Set<String>> reached = new HashMap<>();
        uses.keySet().forEach(each -> reached.put(each, reachedFrom(each, uses)));
        List<String> cycles = new ArrayList<>();
        for (String one : new TreeSet<>(uses.keySet())) {
            for (String other : new TreeSet<>(reached.get(one))) {
                if (one.compareTo(other) < 0 && !room(one).equals(room(other))
                        && reached.getOrDefault(other, Set.of()).contains(one)) {
                    cycles.add(one + " and " + other);
                }
            }
        }
        return cycles;
    }

    private static String room(String type) {
        return type.substring(0, type.lastIndexOf('/'));
    }

    private static Set<String> reachedFrom(String start, Map<String, Set<String>> uses) {
        Set<String> reached = new HashSet<>();
        Deque<String> open = new ArrayDeque<>(uses.getOrDefault(start, Set.of()));
        while (!open.isEmpty()) {
            String next = open.pop();
            if (reached.add(next)) {
                open.addAll(uses.getOrDefault(next, Set.of()));
            }
        }
        return reached;
    }
}
