import { count, number, plural } from '../../words.ts';
import type { Problem } from './api.ts';

/** Names in a list for a sentence. If there are many, the first ones and the number of the rest. */
const listed = (names: readonly string[]): string => {
  const shown = names.length > NAMED + 1 ? names.slice(0, NAMED) : names;
  const rest = names.length - shown.length;
  const all = [...shown.map((name) => `“${name}”`), ...(rest > 0 ? [`${rest} more`] : [])];
  return all.length < 2 ? all.join('') : `${all.slice(0, -1).join(', ')} and ${all.at(-1)}`;
};
const NAMED = 5;

/** A duration (seconds) in words. */
const duration = (seconds: number): string => {
  if (seconds < 0.95) return `${Math.round(1000 * seconds)} ms`;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  if (seconds < 59.5) return `${Math.round(seconds)} s`;
  return seconds < 3570 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 360) / 10} h`;
};

/** The page in English. */
export const en = {
  title: 'Tip-Adapter Studio',
  private: 'Nothing leaves this computer',
  privateInBrowser:
    'Pictures, classes and the classifier stay in this browser. The page needs no program and, once loaded, no network.',
  incomplete:
    'A file of this page is missing on its host, or the connection was cut. Load the page again; its owner may have to upload the whole folder again.',
  noStorage:
    'This browser cannot keep pictures for this page. Open it by https, in a normal window (not a private one) of a current browser.',
  elsewhere:
    'This studio is open in another tab or window of this browser. Close it, and this one continues.',
  privateMore:
    'Pictures, classes and the classifier stay in a folder on this computer. The page talks only to the program that you started here.',
  undo: 'Undo',
  redo: 'Redo',
  language: 'Language',
  theme: { label: 'Colours', auto: 'System', light: 'Light', dark: 'Dark' },
  close: 'Close',
  more: (n: number, rest: number) =>
    n === rest ? `Show ${number(n)} more` : `Show ${n} of ${number(rest)} more`,
  fewer: 'Show fewer',
  dropToCollect: 'Drop to add to the collection',
  dropToClass: (name: string) => `Drop to add to “${name}”`,
  dropToTry: 'Drop to try',
  skip: 'Skip to a part',
  skipTo: (part: string) => `Skip to ${part}`,
  sections: { collect: 'Collect', teach: 'Check', try: 'Try', keep: 'Keep' },
  cut: (waiting: number) =>
    waiting === 0
      ? 'The program behind this page does not answer. Start it again: everything up to here is saved.'
      : `The program behind this page does not answer. Start it again and leave this page open: ${count(waiting, 'change')} ${plural(waiting, 'is', 'are')} not saved yet and ${plural(waiting, 'waits', 'wait')} here.`,
  /** A problem in this language; the program speaks English. */
  problem: ({ message, hint }: Problem): Pick<Problem, 'message' | 'hint'> => ({ message, hint }),
  stop: '.',
  /** The name of a method. In English, it is the program's own name. */
  method: (_id: string, name: string) => name,
  encoder: {
    loading: 'Loading the model …',
    offered: (id: string, size: string) =>
      `To classify pictures, the studio needs the model “${id}”${size ? ` (${size})` : ''}. It is downloaded once and then stays on this computer.`,
    from: (source: string, licence: string) => `From ${source}; licence ${licence}.`,
    accept: 'Download',
    decline: 'Not now',
    declined: 'Without a model, pictures can be collected but not classified.',
    downloading: (received: string, total: string) => `Downloading the model: ${received} of ${total}`,
    stopDownload: 'Stop',
    again: 'Try again',
    converting: 'Preparing the model …',
    failed: 'The model cannot be used',
    upgrade: (id: string, size: string) =>
      `The built-in encoder is in use. CLIP (${id}, ${size}, downloaded once) recognises far more things by their names. The names of your classes are then used too, and fewer pictures are enough.`,
  },
  project: {
    name: 'Name of the project',
    untitled: 'Untitled project',
    all: 'Projects',
    create: 'New project',
    duplicate: 'Duplicate this project',
    numbered: (n: number) => `Project ${n}`,
    copyOf: (name: string) => `${name} (copy)`,
    entry: (name: string, pictures: number) => `${name}, ${count(pictures, 'picture')}`,
    unreadable: (id: string) => `Project ${id} cannot be read`,
    rescue: 'Save its pictures (zip)',
  },
  preview: {
    open: (name: string) => `See ${name} large`,
    place: (n: number, of: number) => `${number(n)} of ${number(of)}`,
    before: 'Previous',
    after: 'Next',
    crop: 'Crop',
    cut: 'Keep this part',
    cropped: 'Cropped the picture',
    noCrop: 'Cancel',
    cropHint: 'Draw a box on the picture, or move it with the arrow keys; with Shift they resize it.',
  },
  tour: {
    title: 'Tour',
    step: (n: number, of: number) => `${n} of ${of}.`,
    collect:
      'Your pictures by class. Drop more on a class, drag them from one class to another, or take them with the camera.',
    teach:
      'The large number is the share of your pictures that are recognised while they are left out of learning. Below it are the labels to check again.',
    try: 'Show the classifier a picture that it has not seen. The page shows the answer and the examples that it is based on.',
    keep: 'Download the classifier as a file, a web page or an ONNX model.',
    next: 'Next',
    done: 'Done',
    close: 'Close the tour for good',
  },
  collect: {
    heading: 'Collect',
    mayBeRemoved:
      'The browser may remove these pictures when the disk is nearly full. To have a copy, press “All pictures (zip)” under Keep.',
    lead: 'A few pictures of each thing are enough.',
    startLead: 'Name two classes and give each a few pictures. The classifier learns at once.',
    takePictures: 'Camera',
    upload: 'Upload',
    sample: 'Try it with sample pictures',
    fetchingSample: 'Loading the sample pictures …',
    sampleHints: {
      npm: '36 drawings of 12 things. They are downloaded once from the npm registry (22 MB).',
      site: '36 drawings of 12 things, which are part of this page.',
    },
    tapTitle: 'Tap to add pictures',
    tapText: 'Single pictures or a zip. Each folder in a zip becomes a class.',
    dropTitle: 'Drop pictures here, or click',
    dropText:
      'Single pictures, whole folders or a zip, anywhere on this page. Each folder becomes a class. You can also paste.',
    addPictures: 'Add pictures',
    addFolder: 'Add a folder',
    newClass: 'New class',
    newClassName: (n: number) => `Class ${n}`,
    className: 'Name of the class',
    unsorted: 'Not sorted yet',
    unsortedHint: 'Drag these onto a class, or select them and choose one.',
    unsortedTapHint: 'Tap some of these, then choose a class.',
    count: (n: number) => count(n, 'picture'),
    countShort: (n: number) => number(n),
    total: (pictures: number, classes: number) =>
      `${count(pictures, 'picture')} in ${count(classes, 'class', 'classes')}`,
    empty: 'Drop pictures of this class here.',
    camera: (name: string) => `Take pictures of ${name} with the camera`,
    addTo: (name: string) => `Add pictures to ${name}`,
    more: (name: string) => `More for ${name}`,
    mergeInto: 'Merge into …',
    discardClass: (n: number) => (n === 0 ? 'Delete the class' : `Delete it with ${count(n, 'picture')}`),
    selected: (n: number) => `${number(n)} selected`,
    moveTo: 'Move to …',
    discard: 'Delete',
    moved: (n: number, name: string) => `Moved ${count(n, 'picture')} to “${name}”`,
    discarded: (n: number) => `Deleted ${count(n, 'picture')}`,
    discardedClass: (name: string, n: number) =>
      n === 0 ? `Deleted “${name}”` : `Deleted “${name}” with ${count(n, 'picture')}`,
    merged: (from: string, into: string) => `Merged “${from}” into “${into}”`,
    look: 'View',
    newClassOf: 'New class …',
    clear: 'Clear the selection',
    bringing: (done: number, total: number) => `${number(done)} of ${count(total, 'file')} added.`,
    unseen: (n: number) => `${count(n, 'picture')} to look at.`,
    timeLeft: (seconds: number) => `About ${duration(Math.max(1, seconds))} left.`,
    burst: 'part of a burst',
    wholeBurst: 'Whole burst',
  },
  find: {
    heading: 'Find classes and pictures',
    name: 'Find a class',
    nameHint: 'Enter goes to the first class found, in the whole list.',
    filter: 'Which pictures',
    filters: {
      all: 'All pictures',
      unsure: 'Less than half sure',
      suspects: 'Worth a second look',
      alike: 'Nearly the same',
    },
    sort: 'Sort',
    sorts: {
      made: 'In the order they were made',
      name: 'By name',
      size: 'Largest first',
      trouble: 'Most mistakes first',
    },
    collapseAll: 'Collapse all',
    openAll: 'Open all',
    pictures: (name: string) => `Pictures of ${name}`,
    shown: (pictures: number, ofPictures: number, classes: number, ofClasses: number) =>
      `Shown: ${number(pictures)} of ${count(ofPictures, 'picture')}, ${number(classes)} of ${count(ofClasses, 'class', 'classes')}.`,
    ofTested: (n: number) => `This finds only the ${count(n, 'picture')} of the latest test.`,
    showAll: 'Show all',
  },
  camera: {
    heading: (name: string) => `Pictures of ${name}`,
    hold: 'Hold to take pictures',
    start: 'Take pictures',
    hint: 'Move the camera or the thing a little while you hold the button. Pictures taken without releasing it are one burst.',
    taken: (n: number) => count(n, 'picture'),
    done: 'Done',
    stop: 'Stop',
    which: 'Camera',
    numbered: (n: number) => `Camera ${n}`,
    mirror: 'Mirror',
    rate: 'Pictures per second',
    perSecond: (n: number) => `${n} a second`,
    timer: 'Timer',
    held: 'While the button is held',
    after: (delay: number, length: number) => `After ${delay} s, for ${length} s`,
    timed: 'Press once to start the countdown, and again to stop.',
    toggle: 'You need not hold the button: press Enter to start, and Enter again to stop.',
  },
  phone: {
    heading: 'A phone as camera',
    use: 'Use a phone',
    question: (address: string) =>
      `May a phone on the same network send pictures to this computer? The studio then listens at ${address} until you stop it.`,
    risk: 'At this address it serves only the page of the phone, which shows the names of the classes and sends pictures. Everyone who sees the code can use it. The pictures are not encrypted in transit, so use a network that you trust.',
    address: 'Address of this computer',
    yes: 'Yes, listen',
    no: 'Not now',
    noNetwork: 'This computer is not connected to a network. Connect it to the network of the phone.',
    scan: 'Scan this code with the camera of the phone, or type the address.',
    code: 'QR code of the address',
    arrived: (n: number) => (n === 0 ? 'No picture has arrived yet.' : `${count(n, 'picture')} arrived.`),
    noAnswer:
      'If the phone shows nothing, check that it is on the same network, and that the firewall of this computer lets it connect.',
    stop: 'Stop listening',
    show: 'Show the code',
    isOpen: (host: string) => `A phone can send pictures to ${host}.`,
    class: 'Class',
    take: 'Take a picture',
    choose: 'Choose pictures',
    closed: 'The studio does not answer. It may have been closed, or the phone is on another network.',
    token: 'The code is no longer valid. Scan the code that the studio shows now.',
    states: {
      waiting: 'is being sent …',
      arrived: 'arrived.',
      known: 'was there already.',
      failed: 'was not accepted.',
    },
    again: 'Send again',
  },
  notice: {
    heldOut: (n: number) =>
      `${count(n, 'picture')} of a validation or test folder ${plural(n, 'was', 'were')} not added: they stay unseen, so that they can test the classifier.`,
    duplicates: (n: number) => `${count(n, 'picture was', 'pictures were')} here already.`,
    unreadable: (n: number) => `${count(n, 'file')} ${plural(n, 'was', 'were')} not added:`,
    tried: (n: number) => `Only the first ${count(n, 'picture is', 'pictures are')} tried.`,
    nothing: 'No file was dropped. Save the picture first, then drop its file here.',
    freed: (size: string) => `Removed the deleted pictures: ${size} freed.`,
    merged: (name: string) => `There was already a class “${name}”: the two were merged.`,
  },
  teach: {
    heading: 'Check',
    lead: 'Results on pictures that the classifier has not learnt from.',
    waiting: 'The classifier answers as soon as two classes have pictures.',
    noModel: 'The classifier answers as soon as the model is ready.',
    onePicture: (names: readonly string[]) =>
      `Not tested, because there is only one picture: ${listed(names)}. Add a second one${names.length === 1 ? '' : ' of each'}.`,
    oneBurst: (names: readonly string[]) =>
      `Not tested, because all pictures were taken in one burst: ${listed(names)}. Take a second burst${names.length === 1 ? '' : ' of each'}.`,
    takeBurst: (name: string) => `Second burst of ${name}`,
    nearCopies: (names: readonly string[]) =>
      `Not tested, because the pictures are nearly the same: ${listed(names)}. Add different ones.`,
    uneven: (least: string, few: number, most: string, many: number) =>
      `“${most}” has ${count(many, 'picture')}, and “${least}” has ${number(few)}. More pictures of “${least}” help most.`,
    cutNames: (names: readonly string[]) =>
      `The ${plural(names.length, 'name')} ${listed(names)} ${plural(names.length, 'is', 'are')} longer than the encoder can read. Shorten ${plural(names.length, 'it, because its end is', 'them, because their ends are')} not read.`,
    steps: (n: number) => count(n, 'step'),
    needMore: 'The classifier answers, but it cannot be tested yet.',
    looking: (done: number, total: number) => `Looking at new pictures: ${number(done)} of ${number(total)}`,
    searching: 'The classifier answers. Searching for a better method …',
    checking: 'Testing on left-out pictures …',
    done: 'Up to date',
    paused: 'Paused. The classifier answers as before.',
    stopped: 'Stopped. The classifier answers as before.',
    recognised: (total: number) => `of ${count(total, 'picture')} recognised while left out`,
    between: (low: string, high: string) => `For new pictures, expect between ${low} and ${high}.`,
    answering: 'Answering now',
    instant: 'Tip-Adapter, at once',
    byHand: 'Tip-Adapter, set by hand',
    method: 'Method',
    automatic: 'Automatic (recommended)',
    stop: 'Stop the search',
    pause: 'Pause',
    goOn: 'Go on',
    loss: (loss: string) => `Training loss, now ${loss}`,
    lossHint: 'The loss on the pictures that it learns from. Judge the classifier by the large number above.',
    leftOut: (epochs: number, share: string) => `${share} after ${count(epochs, 'epoch')}`,
    leftOutHint: 'The share of left-out pictures recognised after each epoch of training without them.',
    took: (milliseconds: number) => duration(milliseconds / 1000),
    tookAfter: (time: string) => `ready ${time} after the last change`,
  },
  hood: {
    heading: 'Under the hood',
    hint: 'An option that you leave empty is chosen on left-out pictures, or has the default of the method.',
    automatic: (value: string) => (value ? `automatic: ${value}` : 'automatic'),
    measuring: 'The size of the file is shown when the search is over.',
    size: (size: string) => `The classifier's file has ${size}.`,
  },
  next: {
    heading: 'Sort these next',
    hint: (n: number) =>
      `${count(n, 'picture')} not sorted yet. Those between two classes come first: they teach the most.`,
    which: 'Which class?',
    question: (name: string) => `Which class is ${name}?`,
    accept: 'Accept all sure answers',
    sureAtLeast: 'At least this sure',
    guessing: 'Classifying all of them …',
    sure: (n: number, of: number) =>
      `${number(n)} of ${count(of, 'picture')} ${plural(n, 'has', 'have')} an answer at least this sure.`,
    errors: (wrong: number, of: number, expected: number) =>
      `Of ${count(of, 'left-out picture')} with an answer at least this sure, ${number(wrong)} ${plural(wrong, 'was', 'were')} wrong. Expect about ${count(expected, 'wrong answer')} here.`,
    errorsUnknown:
      'No left-out picture had an answer at least this sure, so the number of errors is unknown.',
    acceptAll: (n: number) => `Accept ${number(n)}`,
    accepted: (n: number) => `Sorted ${count(n, 'picture')}`,
    another: 'something else …',
    other: (name: string) => `Another class for ${name}`,
  },
  check: {
    mixups: 'What it mixes up',
    none: 'Nothing. Every left-out picture was recognised.',
    mixup: (truth: string, predicted: string) => `${truth} taken for ${predicted}`,
    matrix: "Rows: your labels. Columns: the classifier's answers. Press a number to see its pictures.",
    matrixPart: (n: number) => `The ${count(n, 'class', 'classes')} that are mixed up most.`,
    rightCell: (name: string) => `${name} recognised`,
    alike: 'Nearly the same',
    alikeHint: 'Copies teach nothing new. In tests they count as one picture.',
    alikeConflict: (names: readonly string[]) =>
      `The same picture in ${count(names.length, 'class', 'classes')}? ${listed(names)}`,
    keepFirst: 'Keep only the first',
    keepAll: 'Keep all',
    suspects: 'Worth a second look',
    suspectsHint: 'These pictures have one label, but look very much like another class.',
    said: (label: string) => `You said ${label}.`,
    says: (predicted: string, share: string) => `It says ${predicted}, ${share} sure.`,
    relabel: (name: string) => `It is ${name}`,
    right: (name: string) => `${name} is right`,
    curve: 'Do more pictures help?',
    curveAxis: 'pictures of each class',
    curveText: (shots: number, accuracy: string) => `${count(shots, 'picture')}: ${accuracy}`,
    curveTrend: {
      rises: 'The accuracy still rises: more pictures will help.',
      flat: 'The accuracy has levelled off: different pictures help more than further similar ones.',
      unclear: 'The curve was measured on too few pictures to show whether more will help.',
    },
    honest: 'Is it as sure as it should be?',
    honestAxisX: 'how sure it was',
    honestAxisY: 'how often it was right',
    honestText: (confidence: string, accuracy: string, n: number) =>
      `${confidence} sure: ${accuracy} right of ${number(n)}`,
    perClass: 'Class by class',
    numbers: 'The numbers',
    protocol: (folds: number, tested: number, all: number) =>
      `${tested === all ? 'Every picture was' : `Of ${count(all, 'picture')}, ${number(tested)} ${plural(tested, 'was', 'were')}`} left out once, in ${count(folds, 'round')}; bursts and near-duplicates stay together. The constants were chosen on the same rounds, so the figures are slightly optimistic.`,
    class: 'Class',
    recognised: 'Recognised',
    overTime: (n: number) => `Last ${n} tests`,
    overTimeHint:
      'The share recognised in each test, the latest at the right. Pictures and method may have changed between two tests. Tests before the last start of the program are not kept.',
  },
  try: {
    heading: 'Try',
    lead: 'Show it something new.',
    drop: 'Drop a picture, or click',
    tap: 'Tap to choose a picture',
    samples: 'Drawings it has not seen, by another artist:',
    choose: 'Choose picture',
    camera: 'Use camera',
    stopCamera: 'Stop camera',
    none: 'None of these',
    tooUnsure: (name: string, share: string, least: string) =>
      `Most like “${name}”, but only ${share} sure; you asked for at least ${least}.`,
    noPreview: 'No preview',
    threshold: 'Say “none of these” when less sure than',
    never: 'never',
    because: 'Because of these examples',
    similar: (share: string) => `${share} alike`,
    notSimilar: 'not alike',
    why: 'Names and examples',
    whyHint:
      'How much the name and your examples add to each class. The class with the least counts as 0, and the largest sum is 100.',
    fromName: 'from the name',
    fromExamples: 'from the examples',
    hand: 'Set it by hand',
    alpha: 'Weight of the examples',
    alphaHint: 'left: trust the class names; right: trust your pictures',
    beta: 'How alike an example must be',
    betaHint: 'left: all examples count; right: only the nearest',
    surface: (least: string, most: string) =>
      `Darker: more of the left-out pictures recognised (${least} to ${most}). Press anywhere to try it.`,
    back: 'Back to the tuned values',
    chosen: 'chosen on left-out pictures',
    current: 'now',
    waiting: 'The classifier answers as soon as two classes have pictures.',
    took: (milliseconds: number) => `${Math.round(milliseconds)} ms`,
    uncalibrated:
      'These percentages are not calibrated, because too few pictures could be left out to calibrate them on.',
    picture: 'The picture that is tried',
    all: (n: number) => `${count(n, 'picture')} being tried`,
    teachIt: 'Teach it: this is',
    taught: (name: string) => `Added to “${name}”`,
    aClass: 'a class …',
    examplesAlone: 'This method decides by your pictures alone.',
    fromLearnt: 'from what it has learnt',
  },
  keep: {
    heading: 'Keep',
    lead: 'The classifier is yours.',
    nothingYet: 'The classifier can be downloaded as soon as it answers.',
    classifier: 'Download the classifier',
    report: 'Report',
    page: 'Web page',
    site: 'Site (zip)',
    onnx: 'ONNX model',
    card: 'Model card',
    project: 'All pictures (zip)',
    projectHint:
      'The pictures by class, with their bursts. Drop the zip on the studio of another computer to continue there.',
    othersByProgram:
      'The ONNX model contains the encoder and works without this page. To make the web page and the site, download the classifier and run tip-adapter export on it.',
    making: 'Please wait',
    inBrowser:
      'Everything is kept in this browser, on this computer. If you clear the data of this website, everything is lost. To have a copy, download the pictures.',
    removeDeleted: 'Remove deleted pictures for good',
    removeDeletedHint:
      'Deleted pictures stay in this browser so that undo can bring them back. Removing them frees their space, and earlier changes can then not be undone.',
    others:
      'The web page, the site and the ONNX model contain the encoder and work without this program. The site is a folder that tip-adapter/web opens in a page of your own. Making any of them takes a few seconds.',
    folder: (path: string) => `Everything is kept in ${path} on this computer.`,
    faces: 'Contains small copies of your pictures.',
    code: 'Use it elsewhere',
    copy: 'Copy',
    copied: 'Copied',
    languages: { shell: 'Terminal', node: 'Node.js', python: 'Python (ONNX)', curl: 'curl' },
  },
};

/** The texts of the page. Each language has all of them; the compiler checks this. */
export type Messages = typeof en;
