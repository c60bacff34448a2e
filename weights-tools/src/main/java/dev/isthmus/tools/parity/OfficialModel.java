package dev.isthmus.tools.parity;

import dev.isthmus.engine.config.Gpt2Config;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * What is published about the files of one of GPT-2's sizes, from the entries of kind identity.
 *
 * @param title its short name, such as {@code gpt2}
 * @param repository its name on the Hugging Face hub
 * @param revision the commit there that all the rest is about
 * @param files its files by name, as far as their hashes are published
 * @param tensors its tensors by name; empty where only the hash of the whole file is published
 */
public record OfficialModel(String title, String repository, String revision, Map<String, OfficialFile> files,
        Map<String, OfficialTensor> tensors) {

    /** All of them. */
    public static List<OfficialModel> all() {
        Tree gpt2 = expected("identity-gpt2-files");
        Tree others = expected("identity-other-sizes");
        Map<String, OfficialTensor> tensors = OfficialTensor.of(expected("identity-tensors").get("tensors"));
        List<OfficialModel> models = new ArrayList<>();
        for (PublishedModel model : PublishedModel.values()) {
            boolean first = model == PublishedModel.GPT2;
            Tree tree = first ? gpt2 : others.get(model.title());
            models.add(new OfficialModel(model.title(), model.repository(), tree.get("revision").text(),
                    OfficialFile.of(first ? tree.get("files") : tree), first ? tensors : Map.of()));
        }
        return List.copyOf(models);
    }

    private static Tree expected(String id) {
        return PublishedNumbers.entries().stream().filter(entry -> entry.id().equals(id)).findFirst().orElseThrow()
                .expected();
    }

    /** The model of a short name or a repository. */
    public static Optional<OfficialModel> named(String name) {
        return all().stream().filter(model -> name.equals(model.title) || name.equals(model.repository)).findFirst();
    }

    /** The model that has a configuration's shape. */
    public static Optional<OfficialModel> of(Gpt2Config config) {
        return PublishedModel.of(config).flatMap(model -> named(model.title()));
    }
}
