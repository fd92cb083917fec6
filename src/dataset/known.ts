/** A public data set of the few-shot literature, as CoOp's scripts lay it out under one folder, `$DATA`. */
export interface KnownDataset {
  /** The name of its prompts and published constants. */
  readonly id: string;
  readonly title: string;
  /** Its folder under `$DATA`. */
  readonly folder: string;
  /** Other names of its folder or of a dump of its features. */
  readonly aliases: readonly string[];
  /** Required files and folders, relative to its own folder. */
  readonly parts: readonly Part[];
  readonly classes: number;
  /** Pictures of each split; ImageNet's `val` is its test split. */
  readonly train?: number;
  readonly val?: number;
  readonly test: number;
}

interface Part {
  readonly path: string;
  /** Where to get it or how to make it. */
  readonly from: string;
}

/** CoOp's own page links to the split files and keeps the links up to date. */
const COOP = 'https://github.com/KaiyangZhou/CoOp/blob/main/DATASETS.md';
const VGG = 'https://www.robots.ox.ac.uk/~vgg/data';
const CLASSNAMES: Part = { path: 'classnames.txt', from: `${COOP} (ImageNet)` };

function splitFile(name: string): Part {
  return { path: `split_zhou_${name}.json`, from: COOP };
}

/** The eleven data sets of the paper and ImageNet's two other test sets (CoOp, DATASETS.md; counts from its appendix A). */
export const KNOWN: readonly KnownDataset[] = [
  {
    id: 'imagenet',
    title: 'ImageNet',
    folder: 'imagenet',
    aliases: ['imagenet1k', 'ilsvrc2012'],
    parts: [
      { path: 'images/train', from: 'https://image-net.org/download.php (ILSVRC 2012, training pictures)' },
      { path: 'images/val', from: 'https://image-net.org/download.php (ILSVRC 2012, validation pictures)' },
      CLASSNAMES,
    ],
    classes: 1000,
    train: 1_281_167,
    test: 50_000,
  },
  {
    id: 'caltech101',
    title: 'Caltech101',
    folder: 'caltech-101',
    aliases: ['caltech'],
    parts: [
      { path: '101_ObjectCategories', from: 'https://data.caltech.edu/records/mzrjq-6wc02' },
      splitFile('Caltech101'),
    ],
    classes: 100,
    train: 4128,
    val: 1649,
    test: 2465,
  },
  {
    id: 'pets',
    title: 'OxfordPets',
    folder: 'oxford_pets',
    aliases: ['oxfordpets'],
    parts: [{ path: 'images', from: `${VGG}/pets/data/images.tar.gz` }, splitFile('OxfordPets')],
    classes: 37,
    train: 2944,
    val: 736,
    test: 3669,
  },
  {
    id: 'cars',
    title: 'StanfordCars',
    folder: 'stanford_cars',
    aliases: [],
    parts: [{ path: 'cars_train', from: COOP }, { path: 'cars_test', from: COOP }, splitFile('StanfordCars')],
    classes: 196,
    train: 6509,
    val: 1635,
    test: 8041,
  },
  {
    id: 'flowers',
    title: 'Flowers102',
    folder: 'oxford_flowers',
    aliases: ['flowers102', 'oxfordflowers', 'oxfordflower'],
    parts: [{ path: 'jpg', from: `${VGG}/flowers/102/102flowers.tgz` }, splitFile('OxfordFlowers')],
    classes: 102,
    train: 4093,
    val: 1633,
    test: 2463,
  },
  {
    id: 'food101',
    title: 'Food101',
    folder: 'food-101',
    aliases: [],
    parts: [
      { path: 'images', from: 'https://data.vision.ee.ethz.ch/cvl/datasets_extra/food-101/' },
      splitFile('Food101'),
    ],
    classes: 101,
    train: 50_500,
    val: 20_200,
    test: 30_300,
  },
  {
    id: 'fgvc',
    title: 'FGVCAircraft',
    folder: 'fgvc_aircraft',
    aliases: ['aircraft'],
    parts: ['images', ...['train', 'val', 'test'].map((split) => `images_variant_${split}.txt`)].map(
      (path) => ({
        path,
        from: `${VGG}/fgvc-aircraft/archives/fgvc-aircraft-2013b.tar.gz (its folder data)`,
      }),
    ),
    classes: 100,
    train: 3334,
    val: 3333,
    test: 3333,
  },
  {
    id: 'sun397',
    title: 'SUN397',
    folder: 'sun397',
    aliases: ['sun'],
    parts: [
      { path: 'SUN397', from: 'http://vision.princeton.edu/projects/2010/SUN/SUN397.tar.gz' },
      splitFile('SUN397'),
    ],
    classes: 397,
    train: 15_880,
    val: 3970,
    test: 19_850,
  },
  {
    id: 'dtd',
    title: 'DTD',
    folder: 'dtd',
    aliases: ['describabletextures'],
    parts: [
      { path: 'images', from: `${VGG}/dtd/download/dtd-r1.0.1.tar.gz` },
      splitFile('DescribableTextures'),
    ],
    classes: 47,
    train: 2820,
    val: 1128,
    test: 1692,
  },
  {
    id: 'eurosat',
    title: 'EuroSAT',
    folder: 'eurosat',
    aliases: [],
    parts: [{ path: '2750', from: 'https://github.com/phelber/EuroSAT (RGB)' }, splitFile('EuroSAT')],
    classes: 10,
    train: 13_500,
    val: 5400,
    test: 8100,
  },
  {
    id: 'ucf101',
    title: 'UCF101',
    folder: 'ucf101',
    aliases: ['ucf'],
    parts: [{ path: 'UCF-101-midframes', from: COOP }, splitFile('UCF101')],
    classes: 101,
    train: 7639,
    val: 1898,
    test: 3783,
  },
  {
    id: 'imagenet-v2',
    title: 'ImageNet-V2',
    folder: 'imagenetv2',
    aliases: [],
    parts: [
      {
        path: 'imagenetv2-matched-frequency-format-val',
        from: 'https://github.com/modestyachts/ImageNetV2 (matched-frequency)',
      },
      CLASSNAMES,
    ],
    classes: 1000,
    test: 10_000,
  },
  {
    id: 'imagenet-sketch',
    title: 'ImageNet-Sketch',
    folder: 'imagenet-sketch',
    aliases: [],
    parts: [{ path: 'images', from: 'https://github.com/HaohanWang/ImageNet-Sketch' }, CLASSNAMES],
    classes: 1000,
    test: 50_889,
  },
];

/** The known data set of a name in any spelling: `stanford_cars`, `StanfordCars`, `cars`. Undefined if there is none. */
export function knownDataset(name: string): KnownDataset | undefined {
  const wanted = key(name);
  return KNOWN.find(({ id, title, folder, aliases }) =>
    [id, title, folder, ...aliases].some((known) => key(known) === wanted),
  );
}

function key(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]/g, '');
}
