/* SPDX-License-Identifier: Apache-2.0 */
#include "core/plugin/elf.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* The file in memory. Everything that it says is checked against its size. */
struct elf_file {
    const unsigned char *data;
    size_t size;
};

static bool elf_holds(const struct elf_file *file, uint64_t offset, uint64_t size)
{
    return offset <= file->size && size <= file->size - offset;
}

/* A copy of what lies at an offset: nothing in the file has to be aligned. */
static bool elf_copy(const struct elf_file *file, uint64_t offset, void *to, size_t size)
{
    if (!elf_holds(file, offset, size))
        return false;
    memcpy(to, file->data + offset, size);
    return true;
}

static bool elf_read_header(const struct elf_file *file, ElfW(Ehdr) * header)
{
    const unsigned char wanted = sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32;

    return elf_copy(file, 0, header, sizeof(*header)) &&
           memcmp(header->e_ident, ELFMAG, SELFMAG) == 0 && header->e_ident[EI_CLASS] == wanted &&
           header->e_type == ET_DYN && header->e_phentsize == sizeof(ElfW(Phdr)) &&
           (header->e_shnum == 0 || header->e_shentsize == sizeof(ElfW(Shdr)));
}

/* Are all parts that the loader maps in the file? */
static bool elf_is_whole(const struct elf_file *file, const ElfW(Ehdr) * header)
{
    for (unsigned i = 0; i < header->e_phnum; i++) {
        ElfW(Phdr) part;

        if (!elf_copy(file, header->e_phoff + (uint64_t)i * sizeof(part), &part, sizeof(part)) ||
            (part.p_type == PT_LOAD && !elf_holds(file, part.p_offset, part.p_filesz)))
            return false;
    }
    return elf_holds(file, header->e_shoff, (uint64_t)header->e_shnum * sizeof(ElfW(Shdr)));
}

/* Copy what the loader puts at an address. */
static bool elf_copy_address(
    const struct elf_file *file, const ElfW(Ehdr) * header, uint64_t address, void *to, size_t size)
{
    for (unsigned i = 0; i < header->e_phnum; i++) {
        ElfW(Phdr) part;

        if (elf_copy(file, header->e_phoff + (uint64_t)i * sizeof(part), &part, sizeof(part)) &&
            part.p_type == PT_LOAD && address >= part.p_vaddr &&
            address - part.p_vaddr <= part.p_filesz &&
            size <= part.p_filesz - (address - part.p_vaddr))
            return elf_copy(file, part.p_offset + (address - part.p_vaddr), to, size);
    }
    return false;
}

static bool elf_is_named(
    const struct elf_file *file, const ElfW(Shdr) * names, uint64_t at, const char *name)
{
    size_t size = strlen(name) + 1;

    return at <= names->sh_size && size <= names->sh_size - at &&
           elf_holds(file, names->sh_offset + at, size) &&
           memcmp(file->data + names->sh_offset + at, name, size) == 0;
}

/* Find a defined symbol in a table of symbols. */
static bool elf_find_in(const struct elf_file *file, const ElfW(Ehdr) * header,
    const ElfW(Shdr) * table, const char *name, ElfW(Sym) * symbol)
{
    ElfW(Shdr) names;

    if (table->sh_link >= header->e_shnum ||
        !elf_copy(file, header->e_shoff + (uint64_t)table->sh_link * sizeof(names), &names,
            sizeof(names)))
        return false;
    for (uint64_t at = 0; at + sizeof(*symbol) <= table->sh_size; at += sizeof(*symbol))
        if (!elf_copy(file, table->sh_offset + at, symbol, sizeof(*symbol)))
            return false;
        else if (symbol->st_shndx != SHN_UNDEF && elf_is_named(file, &names, symbol->st_name, name))
            return true;
    return false;
}

static const char *elf_read(struct arena *arena, const struct elf_file *file, const char *name,
    void *out, size_t size, size_t *found)
{
    ElfW(Ehdr) header;
    ElfW(Shdr) section;
    ElfW(Sym) symbol;

    if (!elf_read_header(file, &header))
        return "it is not a shared object for this machine";
    if (!elf_is_whole(file, &header))
        return "the file is cut off; install it again";
    for (unsigned i = 0; i < header.e_shnum; i++) {
        if (!elf_copy(
                file, header.e_shoff + (uint64_t)i * sizeof(section), &section, sizeof(section)) ||
            section.sh_type != SHT_DYNSYM || !elf_find_in(file, &header, &section, name, &symbol))
            continue;
        *found = symbol.st_size;
        if (size > *found)
            size = *found;
        return elf_copy_address(file, &header, symbol.st_value, out, size)
                   ? NULL
                   : arena_format(arena, "its %s is not data", name);
    }
    return arena_format(arena, "it does not export %s", name);
}

const char *elf_read_symbol(
    struct arena *arena, const char *path, const char *name, void *out, size_t size, size_t *found)
{
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct elf_file file = {0};
    const char *wrong = NULL;
    struct stat about;
    void *data = MAP_FAILED;

    memset(out, 0, size);
    *found = 0;
    if (descriptor >= 0 && fstat(descriptor, &about) == 0 && about.st_size > 0) {
        file.size = (size_t)about.st_size;
        data = mmap(NULL, file.size, PROT_READ, MAP_PRIVATE, descriptor, 0);
    }
    if (data == MAP_FAILED) {
        wrong = descriptor < 0 ? arena_format(arena, "it cannot be read: %s", strerror(errno))
                               : "it is empty, or cannot be read";
    } else {
        file.data = data;
        wrong = elf_read(arena, &file, name, out, size, found);
        munmap(data, file.size);
    }
    if (descriptor >= 0)
        close(descriptor);
    return wrong;
}
